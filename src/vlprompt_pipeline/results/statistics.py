"""How sure a score is, and whether one method is better than another on the same test images.

Everything here is about the test images. The prompts of the seeds at hand are taken as they are,
and asked is what other images of the same kind would have given. How much training itself varies is
the spread over seeds (`scores.Value.std`). The intervals are those of `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.results.bootstrap import (
    RESAMPLES,
    Correct,
    Hits,
    Interval,
    Paired,
    centred_p_value,
    draw_average,
    draw_h,
    interval_of,
    paired_bootstrap,
    percentile_interval,
    resampled,
)


def accuracy_interval(correct: Correct) -> Interval:
    """Return the bootstrap interval of the accuracy, the mean over seeds, over test images.

    Raises:
        DataError: no images, or a value that is neither true nor false.
    """
    return interval_of(draw_average(np.random.default_rng(0), [correct]))


def h_interval(base_correct: Correct, new_correct: Correct) -> Interval:
    """Return the bootstrap interval of H.

    H is that of the accuracies' means over seeds, as published (`harmonic_mean`). Images of base
    and of new classes are drawn apart, as many of each as there are.

    Raises:
        DataError: as in `accuracy_interval`.
    """
    draw = np.random.default_rng(0)
    halves = (draw_average(draw, [half]) for half in (base_correct, new_correct))
    return interval_of(draw_h(*halves))


def compare_accuracy(correct: Correct, reference: Correct, resamples: int = RESAMPLES) -> Paired:
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
    (drawn,) = resampled(np.random.default_rng(0), gain, resamples)
    observed = float(gain.accuracies()[0])
    interval = percentile_interval(drawn)
    if answers.seeds == 1:
        p_value = _mcnemar(int((gained > 0).sum()), int((gained < 0).sum()))
        return Paired(observed, *interval, p_value, "McNemar")
    return Paired(observed, *interval, centred_p_value(drawn, observed), "paired bootstrap")


def compare_h(
    one_base: Correct,
    one_new: Correct,
    other_base: Correct,
    other_new: Correct,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare H of one method with that of another by the paired bootstrap.

    Each H is that of the means over seeds. Both methods are scored on the same drawn images; base
    and new ones are drawn apart.

    Raises:
        DataError: as in `compare_accuracy`.
    """
    draw = np.random.default_rng(0)
    base = draw_average(draw, [one_base], [other_base], resamples=resamples)
    new = draw_average(draw, [one_new], [other_new], resamples=resamples)
    return paired_bootstrap(draw_h(base, new))


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


def _mcnemar(only_one: int, only_other: int) -> float:
    """Return twice the smaller tail of a fair coin over images that only one method has correct."""
    total, fewer = only_one + only_other, min(only_one, only_other)
    k = np.arange(1, fewer + 1)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log(total - k + 1) - np.log(k))])
    return min(1.0, 2.0 * float(np.exp(log_choose - total * np.log(2.0)).sum()))
