"""How sure a score is, and whether one method is better than another on the same test images.

Everything here is about the test images. The prompts of the seeds at hand are taken as they are,
and asked is what other images of the same kind would have given. How much training itself varies is
the spread over seeds (`scores.Value.std`).

The bootstrap draws images with replacement. A score depends only on how many of the drawn images
are of each kind, and there are few kinds: correct in 0, 1, … of the seeds. So the number of images
of each kind is drawn at once, from a multinomial with the shares of the kinds. That is the
bootstrap over images itself, equal in law to drawing 20,000 indices 10,000 times, in milliseconds.

Intervals are percentile intervals (Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13). Where all images are of one kind, all correct say, their width is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.evaluation.metrics import harmonic_mean

Correct = npt.ArrayLike
"""Predicted correctly or not, `[seeds, images]` or, of one seed, `[images]`."""
_Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """Bounds in percent."""

    low: float
    high: float


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


def accuracy_interval(
    correct: Correct, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Bootstrap interval of the accuracy, the mean over seeds, over test images.

    Raises:
        DataError: no images, or a value that is neither true nor false.
    """
    (drawn,) = resampled(np.random.default_rng(seed), resamples, Hits.of(correct))
    return percentile_interval(drawn, level)


def h_interval(
    base_correct: Correct,
    new_correct: Correct,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of H of the accuracies' means over seeds, as published (`harmonic_mean`).

    Images of base and of new classes are drawn apart, as many of each as there are.

    Raises:
        DataError: as in `accuracy_interval`.
    """
    draw = np.random.default_rng(seed)
    halves = (resampled(draw, resamples, Hits.of(half))[0] for half in (base_correct, new_correct))
    return percentile_interval(harmonic_mean(*halves), level)


def compare_accuracy(
    correct: Correct,
    reference: Correct,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Return accuracy of one method less that of another on the same images in the same order.

    Of one seed the p-value is McNemar's, exact: images that only one of the two has correct fall to
    either side like a fair coin (McNemar, Psychometrika 1947). An image that is tested with several
    prompts is still one image, so of several seeds it is the paired bootstrap's
    (`centred_p_value`). The interval is of the bootstrap in either case.

    Raises:
        DataError: different shapes, no images, or a value that is neither true nor false.
    """
    answers = Hits.of(correct, reference)
    gained = answers.hits[0] - answers.hits[1]
    gain = answers._replace(hits=gained[None])
    (drawn,) = resampled(np.random.default_rng(seed), resamples, gain)
    observed = float(gain.accuracies()[0])
    interval = percentile_interval(drawn, level)
    if answers.seeds == 1:
        p_value = _mcnemar(int((gained > 0).sum()), int((gained < 0).sum()))
        return Paired(observed, *interval, p_value, "McNemar")
    return Paired(observed, *interval, centred_p_value(drawn, observed), "paired bootstrap")


def compare_h(
    one_base: Correct,
    one_new: Correct,
    other_base: Correct,
    other_new: Correct,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """H of one method less H of another, each of the means over seeds, by the paired bootstrap.

    Both methods are scored on the same drawn images; base and new ones are drawn apart.

    Raises:
        DataError: as in `compare_accuracy`.
    """
    base, new = Hits.of(one_base, other_base), Hits.of(one_new, other_new)
    draw = np.random.default_rng(seed)
    mine, yours = harmonic_mean(resampled(draw, resamples, base), resampled(draw, resamples, new))
    observed = float(np.subtract(*harmonic_mean(base.accuracies(), new.accuracies())))
    p_value = centred_p_value(mine - yours, observed)
    return Paired(observed, *percentile_interval(mine - yours, level), p_value, "paired bootstrap")


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values in the order given.

    All that are at most a level hold together at it.

    The smallest of m is multiplied by m, the next by m - 1 and so on, and none is below one before
    it (Holm, Scandinavian Journal of Statistics 1979).

    Raises:
        DataError: a value that is no probability.
    """
    given = np.asarray(p_values, float)
    if not ((given >= 0) & (given <= 1)).all():
        raise DataError(
            "p-values: one is outside 0 to 1 or missing; adjust only tests that were made"
        )
    order = np.argsort(given, kind="stable")
    factors = np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(np.minimum(given[order] * factors, 1.0))
    return adjusted.tolist()


def verdict(paired: Paired, adjusted_p: float, level: float = 0.05) -> str:
    """Return "better", "worse" or "no difference shown", by the p-value adjusted for all tests."""
    if paired.difference == 0 or not adjusted_p <= level:
        return "no difference shown"
    return "better" if paired.difference > 0 else "worse"


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


def resampled(draw: np.random.Generator, resamples: int, answers: Hits) -> Floats:
    """Return accuracies over drawn images, the same images for all methods.

    `[methods, resamples]`.
    """
    base = 2 * answers.seeds + 1  # so many values can hits of one method less another's have
    code = base ** np.arange(len(answers.hits)) @ answers.hits
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    images = len(code)
    drawn = draw.multinomial(images, counts / images, size=resamples)
    return 100.0 / (answers.seeds * images) * (answers.hits[:, first] @ drawn.T)


def percentile_interval(drawn: Floats, level: float) -> Interval:
    """Return bounds of the middle `level` of the drawn scores, `[resamples]`."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def centred_p_value(drawn: Floats, observed: float) -> float:
    """Return two-sided p-value of no difference: `(1 + #{|d* - d| >= |d|}) / (resamples + 1)`.

    Drawn differences d*, centred at the observed one d, stand for what chance gives where there is
    none (Hall & Wilson, Biometrics 1991, first guideline); with d among them the test keeps its
    level (Davison & Hinkley, Bootstrap Methods and their Application, 1997, chapter 4).
    """
    rounding = 1e-9
    as_far = np.abs(drawn - observed) >= abs(observed) - rounding
    return (1 + int(as_far.sum())) / (len(drawn) + 1)


def _mcnemar(only_one: int, only_other: int) -> float:
    """Twice the smaller tail of a fair coin over the images that one method alone has correct."""
    total, fewer = only_one + only_other, min(only_one, only_other)
    k = np.arange(1, fewer + 1)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log(total - k + 1) - np.log(k))])
    return min(1.0, 2.0 * float(np.exp(log_choose - total * np.log(2.0)).sum()))
