"""The spectrum of a context: by hand, against NumPy, and in the history of training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from learners import CLASSES, coop, random_views
from vlprompt_pipeline.methods import Recipe, build_learner
from vlprompt_pipeline.parametrizations.spectrum import (
    effective_rank,
    information_density,
    singular_values,
    spectra,
)
from vlprompt_pipeline.training import train


def recipe(rank: int | None = 1, **prompt) -> Recipe:
    low_rank = rank and {"rank": rank, "dropout": 0.5}
    training = {"lr": 0.1, "warmup_lr": 0.1}
    return coop(prompt={"init": "a photo of a", **prompt}, training=training, low_rank=low_rank)


def trained(clip, made: Recipe, after_epoch=None):
    learner = build_learner(made, clip, CLASSES, seed=1)
    rows = train(learner, random_views(clip), made.training, after_epoch=after_epoch)
    return learner, rows


def test_by_hand():
    values = torch.tensor([3.0, 1.0], dtype=torch.float64)
    assert information_density(values, 1) == 0.75
    assert information_density(values, 2) == 1
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(values).item() == pytest.approx(math.exp(entropy))
    assert effective_rank(torch.ones(5)).item() == pytest.approx(5)
    assert effective_rank(torch.tensor([2.0, 0.0])).item() == pytest.approx(1)
    assert information_density(torch.zeros(3), 1) == 0
    assert effective_rank(torch.zeros(3)) == 1


def test_every_epoch_tells_the_spectrum_that_evaluation_sees(tiny_clip):
    learner, rows = trained(tiny_clip, recipe())
    expected = np.linalg.svd(learner.context.detach().double().numpy(), compute_uv=False)
    for k, value in enumerate(expected, start=1):
        assert rows[-1][f"context.singular_value_{k}"] == pytest.approx(value, rel=1e-6)
    share = expected[0] / expected.sum()
    assert rows[-1]["context.information_density_1"] == pytest.approx(share, rel=1e-6)
    assert "context.information_density_4" not in rows[-1], "all of them are all there is"
    shares = expected / expected.sum()
    rank = np.exp(-(shares * np.log(shares)).sum())
    assert rows[-1]["context.effective_rank"] == pytest.approx(rank, rel=1e-6)
    spectra(learner.train())
    assert learner.training, "a look leaves it as it was"
    assert rows[0]["context.singular_value_1"] != rows[-1]["context.singular_value_1"]


def test_class_specific_contexts_have_the_mean_over_classes(tiny_clip):
    learner, rows = trained(tiny_clip, recipe(class_specific=True))
    expected = singular_values(learner.context.detach()).mean(0)
    assert rows[-1]["context.singular_value_2"] == pytest.approx(expected[1].item(), rel=1e-6)


def test_looking_changes_no_bit_of_the_training(tiny_clip):
    """With dropout, a look in training mode would use up a draw."""
    once, rows = trained(tiny_clip, recipe())
    twice, again = trained(tiny_clip, recipe(), after_epoch=spectra)
    assert again == rows
    assert torch.equal(twice.context, once.context)


def test_methods_without_low_rank_have_none(tiny_clip):
    learner, _ = trained(tiny_clip, recipe(rank=None))
    assert spectra(learner) == {}
