"""Accuracy, the harmonic mean H in both conventions, and the spread over seeds.

Accuracies and H are in percent everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def accuracy(correct: int, total: int) -> float:
    """Share of right answers in percent: `100 * correct / total`."""
    return 100.0 * correct / total


def harmonic_mean(base: float, new: float) -> float:
    """H = 2·B·N / (B + N) of base and new accuracy (Xian et al., CVPR 2017); 0 when both are 0."""
    if base + new == 0:
        return 0.0
    return 2.0 * base * new / (base + new)


def h_of_averages(base: Sequence[float], new: Sequence[float]) -> float:
    """H of the mean base and the mean new accuracy: the convention of the published tables.

    The base-to-new tables of CoCoOp and its successors average B and N over seeds, and over the 11
    datasets, before they take H: 69.34 / 74.22 gives 71.70 for CLIP.
    """
    return harmonic_mean(float(np.mean(base)), float(np.mean(new)))


def mean_of_h(base: Sequence[float], new: Sequence[float]) -> float:
    """Mean of the H of each pair: the other convention, never above `h_of_averages`."""
    return float(np.mean([harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]))


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population standard deviation (`ddof=0`, as the literature reports over seeds)."""
    return float(np.mean(values)), float(np.std(values))
