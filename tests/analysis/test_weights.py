"""Measures of a prompt's values, against slow references and cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vlprompt_pipeline.analysis.weights import (
    effective_rank,
    histograms,
    information_density,
    neighbour_divergence,
    singular_values,
)


def test_histograms_are_numpys_over_the_common_range():
    contexts = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))
    counts, edges = histograms(contexts, 7)
    low, high = contexts.min().item(), contexts.max().item()
    for moment, found in zip(contexts, counts, strict=True):
        expected, borders = np.histogram(moment.numpy(), bins=7, range=(low, high))
        assert found.tolist() == expected.tolist()
        np.testing.assert_allclose(edges, borders)
    assert (counts.sum(1) == 32).all()


def test_histograms_of_one_value():
    counts, edges = histograms(torch.full((2, 1, 5), 0.5), 4)
    assert counts.tolist() == [[5, 0, 0, 0]] * 2
    assert edges[0] == 0.5


def test_divergence_by_hand():
    counts = torch.tensor([[1.0, 1.0], [3.0, 0.0], [3.0, 0.0]])  # with one added: 2:2, 4:1, 4:1
    expected = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert neighbour_divergence(counts).tolist() == pytest.approx([expected, 0.0])


def test_spectrum_of_a_prompt_of_rank_one():
    prompt = torch.outer(torch.tensor([1.0, 2.0, -1.0]), torch.arange(1.0, 9.0))
    values = singular_values(prompt[None])[0]
    assert values[0] == pytest.approx(prompt.norm().item())
    assert information_density(values, 1) == pytest.approx(1.0)
    assert effective_rank(values) == pytest.approx(1.0, abs=1e-4)


def test_spectrum_of_orthogonal_tokens():
    values = singular_values(2 * torch.eye(4, 16)[None])[0]
    assert values.tolist() == pytest.approx([2.0] * 4)
    assert information_density(values, 1) == pytest.approx(0.25)
    assert information_density(values, 3) == pytest.approx(0.75)
    assert effective_rank(values) == pytest.approx(4.0)


def test_spectrum_of_zeros_is_finite():
    values = singular_values(torch.zeros(1, 2, 4))[0]
    assert information_density(values, 1) == 0
    assert effective_rank(values) == 1
