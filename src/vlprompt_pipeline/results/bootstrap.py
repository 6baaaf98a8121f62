"""The bootstrap over test images: of one method or two on the same images, of one dataset or many.

Images are drawn with replacement. A score depends only on how many of the drawn images are of each
kind, and there are few kinds: correct in 0, 1, … of the seeds. So the number of images of each kind
is drawn at once, from a multinomial with the shares of the kinds. That is the bootstrap over images
itself, equal in law to drawing 20,000 indices 10,000 times, in milliseconds.

Datasets are taken as they are: images are drawn within each, as many as it has, and every dataset
counts the same. So it is asked what other images of these datasets would have given, not what other
datasets would have.

Intervals are percentile intervals (Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13). Where all images are of one kind, all correct say, every draw is as they are, which
tells nothing of other images: a score has no interval then, and that of a difference no width.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.evaluation.metrics import harmonic_mean

LEVEL, RESAMPLES = 0.95, 10_000
"""Of all intervals; and how often images are drawn (for p-values of many tests more often)."""
Correct = npt.ArrayLike
"""Predicted correctly or not, `[seeds, images]` or, of one seed, `[images]`."""
_Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """Bounds in percent."""

    low: float
    high: float


NO_INTERVAL = Interval(nan, nan)


class Paired(NamedTuple):
    """One method less another on the same images, in percentage points.

    Attributes:
        difference: of the scores.
        low: lower bound of the bootstrap interval of the difference.
        high: upper bound.
        p_value: two-sided, of no difference.
        test: what gave it, "McNemar" or "paired bootstrap".
    """

    difference: float
    low: float
    high: float
    p_value: float
    test: str


class Drawn(NamedTuple):
    """Scores of methods in percent.

    Attributes:
        scores: over drawn images, the same ones for all methods, `[methods, resamples]`.
        observed: over the images at hand, `[methods]`.
    """

    scores: Floats
    observed: Floats


def resamples_for(tests: int) -> int:
    """Return how often images are drawn for each of so many tests that are adjusted together.

    A p-value of n draws is at least 1 / (n + 1), and Holm multiplies the smallest one by the number
    of tests: 10,000 draws could show no difference among more than 500.
    """
    return RESAMPLES if tests / (RESAMPLES + 1) <= 1 - LEVEL else 50 * tests


def draw_average(
    draw: np.random.Generator, *methods: Sequence[Correct], resamples: int = RESAMPLES
) -> Drawn:
    """Draw mean accuracies over datasets of one method, or of two on the same images.

    Args:
        draw: where chance comes from; what is compared or combined must not share its draws.
        methods: predicted correctly or not, on each dataset.
        resamples: how often images are drawn.

    Raises:
        DataError: no images, two methods with different shapes on a dataset, or something other
            than true and false.
    """
    datasets = [Hits.of(*arrays) for arrays in zip(*methods, strict=True)]
    scores = [resampled(draw, dataset, resamples) for dataset in datasets]
    observed = [dataset.accuracies() for dataset in datasets]
    return Drawn(np.mean(scores, axis=0), np.mean(observed, axis=0))


def draw_h(base: Drawn, new: Drawn) -> Drawn:
    """Return H of the average base and new accuracies, as published."""
    return Drawn(*(harmonic_mean(*halves) for halves in zip(base, new, strict=True)))


def interval_of(drawn: Drawn) -> Interval:
    """Return the bootstrap interval of the first method's score; none where all draws are equal."""
    scores = drawn.scores[0]
    return percentile_interval(scores) if np.ptp(scores) else NO_INTERVAL


def paired_bootstrap(drawn: Drawn) -> Paired:
    """Return the first method's score less the second's."""
    difference = drawn.scores[0] - drawn.scores[1]
    observed = float(drawn.observed[0] - drawn.observed[1])
    bounds = percentile_interval(difference)
    return Paired(observed, *bounds, centred_p_value(difference, observed), "paired bootstrap")


class Hits(NamedTuple):
    """In how many of the seeds each image is predicted correctly: `hits` [methods, images]."""

    hits: _Ints
    seeds: int

    @classmethod
    def of(cls, *methods: Correct) -> Hits:
        """Count the correct predictions of one method, or of two on the same images."""
        arrays = [np.atleast_2d(np.asarray(method)) for method in methods]
        shape, other = arrays[0].shape, arrays[-1].shape
        if shape != other:
            raise DataError(
                f"two methods are compared on the same images and seeds, but one has {shape} "
                f"[seeds, images] and the other {other}: take those that both have"
            )
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"correct or not must be [seeds, images], some of each, not {shape}")
        if not all(((array == 0) | (array == 1)).all() for array in arrays):
            raise DataError("correct or not must be true or false, but some value is neither")
        return cls(np.stack([array.astype(np.int64).sum(0) for array in arrays]), shape[0])

    def accuracies(self) -> Floats:
        """Return percent, `[methods]`, means over seeds."""
        return 100.0 * self.hits.mean(1) / self.seeds


def resampled(draw: np.random.Generator, answers: Hits, resamples: int = RESAMPLES) -> Floats:
    """Return accuracies over drawn images, the same images for all methods.

    `[methods, resamples]`.
    """
    base = 2 * answers.seeds + 1  # so many values can hits of one method less another's have
    code = base ** np.arange(len(answers.hits)) @ answers.hits
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    images = len(code)
    drawn = draw.multinomial(images, counts / images, size=resamples)
    return 100.0 / (answers.seeds * images) * (answers.hits[:, first] @ drawn.T)


def percentile_interval(drawn: Floats) -> Interval:
    """Return bounds of the middle `LEVEL` of the drawn scores, `[resamples]`."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def centred_p_value(drawn: Floats, observed: float) -> float:
    """Return two-sided p-value of no difference: `(1 + #{|d* - d| >= |d|}) / (resamples + 1)`.

    Drawn differences d*, centred at the observed one d, stand for what chance gives where there is
    none (Hall & Wilson, Biometrics 1991, first guideline); d itself counts among them (Davison &
    Hinkley, Bootstrap Methods and their Application, 1997, chapter 4).
    """
    rounding = 1e-9
    as_far = np.abs(drawn - observed) >= abs(observed) - rounding
    return (1 + int(as_far.sum())) / (len(drawn) + 1)
