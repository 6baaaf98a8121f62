"""How sure an average over datasets is, and whether one method is better than another on average.

As `statistics`, with the datasets as they are: test images are drawn within each dataset, as many
as it has, and every dataset counts the same. So it is asked what other images of these datasets
would have given, not what other datasets would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.evaluation.statistics import (
    Answers,
    Floats,
    Interval,
    Paired,
    Right,
    centred_p_value,
    harmonic_means,
    percentile_interval,
    resampled,
)


class _Scores(NamedTuple):
    """Of each method over drawn images `[methods, resamples]`, and as observed `[methods]`."""

    drawn: Floats
    observed: Floats


def average_interval(
    datasets: Sequence[Right],
    new: Sequence[Right] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of the mean accuracy over datasets, or of the H of two such means.

    Args:
        datasets: right or wrong on each dataset; with `new` on its base classes.
        new: right or wrong on the new classes of each dataset.
        level: share of the drawn scores within the bounds.
        resamples: how often images are drawn.
        seed: of the draws.

    Raises:
        DataError: no images, or something other than right and wrong.
    """
    draw = np.random.default_rng(seed)
    halves = [[(right,) for right in half] for half in (datasets, new) if half is not None]
    return percentile_interval(_scores(draw, resamples, halves).drawn[0], level)


def compare_averages(
    one: Sequence[Right],
    other: Sequence[Right],
    one_new: Sequence[Right] | None = None,
    other_new: Sequence[Right] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Mean accuracy over datasets of one method less another's, or H of two such means less H.

    Both methods are scored on the same drawn images, in each dataset as in `compare_accuracy`.

    Raises:
        DataError: different shapes on a dataset, and as in `average_interval`.
    """
    halves = [list(zip(one, other, strict=True))]
    if one_new is not None and other_new is not None:
        halves.append(list(zip(one_new, other_new, strict=True)))
    scores = _scores(np.random.default_rng(seed), resamples, halves)
    drawn, observed = scores.drawn[0] - scores.drawn[1], scores.observed[0] - scores.observed[1]
    bounds = percentile_interval(drawn, level)
    p_value = centred_p_value(drawn, float(observed))
    return Paired(float(observed), *bounds, p_value, "paired bootstrap")


def _scores(
    draw: np.random.Generator, resamples: int, halves: Sequence[Sequence[Sequence[Right]]]
) -> _Scores:
    """Means over the datasets of each half, and their H if there are two: `halves[h][dataset]`."""
    counted = [[Answers.of(*methods) for methods in half] for half in halves]
    drawn = [np.mean([resampled(draw, resamples, one) for one in half], axis=0) for half in counted]
    observed = [np.mean([one.accuracies() for one in half], axis=0) for half in counted]
    if len(halves) == 1:
        return _Scores(drawn[0], observed[0])
    return _Scores(harmonic_means(*drawn), harmonic_means(*observed))
