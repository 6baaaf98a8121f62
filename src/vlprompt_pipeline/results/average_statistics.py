"""How sure an average over datasets is, and whether one method is better than another on average.

As `statistics`, with the datasets as they are: test images are drawn within each dataset, as many
as it has, and every dataset counts the same. So it is asked what other images of these datasets
would have given, not what other datasets would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.statistics import (
    Correct,
    Floats,
    Hits,
    Interval,
    Paired,
    centred_p_value,
    percentile_interval,
    resampled,
)


class Drawn(NamedTuple):
    """Scores of methods in percent.

    Attributes:
        scores: over drawn images, the same ones for all methods, `[methods, resamples]`.
        observed: over the images at hand, `[methods]`.
    """

    scores: Floats
    observed: Floats


def draw_average(
    draw: np.random.Generator, *methods: Sequence[Correct], resamples: int = 10_000
) -> Drawn:
    """Mean accuracies over datasets of one method, or of two on the same images.

    Args:
        draw: where chance comes from; what is compared or combined must not share its draws.
        methods: predicted correctly or not, on each dataset.
        resamples: how often images are drawn.

    Raises:
        DataError: no images, two methods with different shapes on a dataset, or something other
            than true and false.
    """
    datasets = [Hits.of(*arrays) for arrays in zip(*methods, strict=True)]
    scores = [resampled(draw, resamples, dataset) for dataset in datasets]
    observed = [dataset.accuracies() for dataset in datasets]
    return Drawn(np.mean(scores, axis=0), np.mean(observed, axis=0))


def draw_h(base: Drawn, new: Drawn) -> Drawn:
    """Return H of the average base and new accuracies, as published."""
    return Drawn(*(harmonic_mean(*halves) for halves in zip(base, new, strict=True)))


def interval_of(drawn: Drawn, level: float = 0.95) -> Interval:
    """Bootstrap interval of the first method's score."""
    return percentile_interval(drawn.scores[0], level)


def paired_bootstrap(drawn: Drawn, level: float = 0.95) -> Paired:
    """Return the first method's score less the second's."""
    difference = drawn.scores[0] - drawn.scores[1]
    observed = float(drawn.observed[0] - drawn.observed[1])
    bounds = percentile_interval(difference, level)
    return Paired(observed, *bounds, centred_p_value(difference, observed), "paired bootstrap")
