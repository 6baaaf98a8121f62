"""Measures of a prompt's values, against slow references and cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vlprompt_pipeline.analysis.weights import histograms, neighbour_divergence


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
