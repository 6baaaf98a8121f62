"""How often intervals hold the truth, and how often equal methods are told apart, by simulation.

Run: python tests/results/simulated_level.py

Images are drawn from a population in which two methods are equally good: how hard an image is
counts for both, and each has images of its own that it finds hard. Of right and wrong answers the
second method's are the same with every seed, as zero-shot CLIP's are. An hour for all rows.
"""

from __future__ import annotations

from itertools import product
from statistics import NormalDist

import numpy as np

from vlprompt_pipeline.results.outsiders import Components, Scores, fpr95_samples
from vlprompt_pipeline.results.statistics import accuracy_interval, compare_accuracy

SETS, SETS_OF_SCORES, LEVEL = 2000, 500, 0.05
NORMAL = NormalDist()
SHARED, OWN, OF_A_SEED = 0.6, 0.15, 0.25
"""Shares of the variance behind an answer."""


def hardness(draw: np.random.Generator, seeds: int, images: int, *, same: bool) -> np.ndarray:
    """How hard images are, standard normal, `[methods, seeds, images]` of two methods."""
    shared, own = draw.standard_normal(images), draw.standard_normal((2, 1, images))
    of_a_seed = draw.standard_normal((2, seeds, images))
    if same:
        of_a_seed[1] = of_a_seed[1, :1]
    return SHARED**0.5 * shared + OWN**0.5 * own + OF_A_SEED**0.5 * of_a_seed


def accuracies() -> None:
    """Print a row for each number of seeds and images, and each accuracy."""
    print("seeds images accuracy  without interval  of intervals right          p <= 0.05")
    sizes = product((1, 2, 3, 16), (12, 30, 100, 500), (0.5, 0.8, 0.95, 0.99))
    for seeds, images, accuracy in sizes:
        draw = np.random.default_rng(0)
        intervals, p_values = [], []
        for _ in range(SETS):
            hard = hardness(draw, seeds, images, same=True)
            one, other = hard < NORMAL.inv_cdf(accuracy)
            intervals.append(accuracy_interval(one))
            p_values.append(compare_accuracy(one, other).p_value)
        bounds = np.array(intervals)
        given = bounds[~np.isnan(bounds[:, 0])] / 100
        right = (given[:, 0] - 1e-9 <= accuracy) & (accuracy <= given[:, 1] + 1e-9)
        row = (1 - len(given) / SETS, right.mean(), np.mean(np.array(p_values) <= LEVEL))
        print(f"{seeds:5} {images:6} {accuracy:8} ", *(f"{100 * share:17.1f}" for share in row))


def outsiders() -> None:
    """Print a row for each number of seeds, of images and outsiders, and each distance of both."""
    print("seeds images outsiders distance  AUROC right  FPR95 right  p <= 0.05")
    sizes = product((1, 3), ((20, 20), (40, 200), (300, 300)), (1.0, 2.5))
    for seeds, (images, others), distance in sizes:
        draw, found = np.random.default_rng(0), []
        auroc = 100 * NORMAL.cdf(distance / 2**0.5)
        fpr95 = 100 * (1 - NORMAL.cdf(distance + NORMAL.inv_cdf(0.05)))
        for _ in range(SETS_OF_SCORES):
            inside = distance + hardness(draw, seeds, images, same=False)
            outside = hardness(draw, seeds, others, same=False)
            one, other = (Scores(*sides, ()) for sides in zip(inside, outside, strict=True))
            components = Components.of(one)
            low, high = np.percentile(fpr95_samples(one)[1:], [2.5, 97.5])
            found.append(
                (
                    components.interval.low <= auroc <= components.interval.high,
                    low <= fpr95 <= high,
                    components.less(Components.of(other)).p_value <= LEVEL,
                )
            )
        row = (f"{100 * share:11.1f}" for share in np.mean(found, axis=0))
        print(f"{seeds:5} {images:6} {others:9} {distance:8} ", *row)


if __name__ == "__main__":
    accuracies()
    outsiders()
