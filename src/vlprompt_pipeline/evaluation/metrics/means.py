"""Accuracy from counts, and the harmonic mean of base and new accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def accuracy(correct: int, total: int) -> float:
    """Share of correct predictions in percent: `100 * correct / total`."""
    return 100.0 * correct / total


def harmonic_mean(base: npt.ArrayLike, new: npt.ArrayLike) -> npt.NDArray[np.float64] | float:
    """H = 2·B·N / (B + N) of base and new accuracy (Xian et al., CVPR 2017); 0 when both are 0.

    Of two numbers, or elementwise of two arrays of one shape.
    """
    base, new = np.asarray(base, float), np.asarray(new, float)
    total = base + new
    h = 2.0 * base * new / np.where(total == 0, 1.0, total)
    return float(h) if h.ndim == 0 else h


def h_of_averages(base: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """H of the mean base and the mean new accuracy: the convention of the published tables.

    The base-to-new tables of CoCoOp and its successors average B and N over seeds, and over the 11
    datasets, before they take H: 69.34 / 74.22 gives 71.70 for CLIP.
    """
    return harmonic_mean(np.mean(base), np.mean(new))


def mean_of_h(base: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """Mean of the H of each pair: the other convention, never above `h_of_averages`."""
    return float(np.mean(harmonic_mean(base, new)))


def mean_and_std(values: npt.ArrayLike) -> tuple[float, float]:
    """Mean and population standard deviation (`ddof=0`, as the literature reports over seeds)."""
    return float(np.mean(values)), float(np.std(values))
