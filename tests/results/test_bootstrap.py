"""Averages over datasets against a slow bootstrap that draws images one by one."""

from __future__ import annotations

import numpy as np
import pytest

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.bootstrap import (
    RESAMPLES,
    draw_average,
    draw_h,
    interval_of,
    paired_bootstrap,
    resamples_for,
)
from vlprompt_pipeline.results.statistics import holm


def answers(draw, seeds, images, share):
    return draw.random((seeds, images)) < share


@pytest.fixture
def two_datasets():
    """Two methods on two datasets of different sizes, three seeds."""
    draw = np.random.default_rng(5)
    one = [answers(draw, 3, 60, 0.6), answers(draw, 3, 25, 0.8)]
    other = [right ^ (draw.random(right.shape) < 0.2) for right in one]
    return one, other


def slow(methods, resamples=4000):
    """Scores `[methods, resamples]` by drawing the indices of images within each dataset."""
    draw = np.random.default_rng(1)
    scores = np.zeros((len(methods), resamples))
    for number in range(resamples):
        for datasets in zip(*methods, strict=True):
            images = datasets[0].shape[1]
            drawn = draw.integers(0, images, images)
            for method, right in enumerate(datasets):
                scores[method, number] += 100 * right[:, drawn].mean() / len(methods[0])
    return scores


def test_an_average_counts_every_dataset_the_same(two_datasets):
    one, _ = two_datasets
    drawn = draw_average(np.random.default_rng(0), one)
    expected = 100 * np.mean([right.mean() for right in one])
    assert drawn.observed[0] == pytest.approx(expected)


def test_intervals_and_differences_are_those_of_the_slow_bootstrap(two_datasets):
    one, other = two_datasets
    reference = slow([one, other])
    drawn = draw_average(np.random.default_rng(0), one, other)
    assert interval_of(drawn) == pytest.approx(np.quantile(reference[0], [0.025, 0.975]), abs=0.6)
    paired = paired_bootstrap(drawn)
    gained = reference[0] - reference[1]
    assert (paired.low, paired.high) == pytest.approx(np.quantile(gained, [0.025, 0.975]), abs=0.6)
    observed = drawn.observed[0] - drawn.observed[1]
    assert paired.difference == pytest.approx(observed)
    as_far = np.mean(np.abs(gained - observed) >= abs(observed) - 1e-9)
    assert paired.p_value == pytest.approx(as_far, abs=0.03)


def test_h_is_that_of_the_averages(two_datasets):
    one, other = two_datasets
    draw = np.random.default_rng(0)
    base, new = draw_average(draw, one), draw_average(draw, other)
    drawn = draw_h(base, new)
    assert drawn.observed[0] == pytest.approx(harmonic_mean(base.observed[0], new.observed[0]))
    low, high = interval_of(drawn)
    assert low < drawn.observed[0] < high


@pytest.mark.parametrize("tests", [1, 240, 500, 501, 1200, 5000])
def test_enough_is_drawn_for_a_difference_to_be_shown_among_so_many_tests(tests):
    least = 1 / (resamples_for(tests) + 1)
    assert holm([least] * tests)[0] <= 0.05
    assert (resamples_for(tests) == RESAMPLES) == (tests <= 500)
