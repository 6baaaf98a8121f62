"""Accuracy from counts, and the harmonic mean of base and new accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def accuracy(correct: int, total: int) -> float:
    """Return the share of correct predictions in percent: `100 * correct / total`."""
    return 100.0 * correct / total


def harmonic_mean(base: npt.ArrayLike, new: npt.ArrayLike) -> npt.NDArray[np.float64] | float:
    """Return H = 2·B·N / (B + N) of base and new accuracy (Xian et al., CVPR 2017).

    0 when both are 0.

    Of two numbers, or elementwise of two arrays of one shape. The base-to-new tables of CoCoOp and
    its successors average base and new accuracy over seeds and datasets before they take H: 69.34
    and 74.22 give 71.70 for CLIP.
    """
    base, new = np.asarray(base, float), np.asarray(new, float)
    total = base + new
    h = 2.0 * base * new / np.where(total == 0, 1.0, total)
    return float(h) if h.ndim == 0 else h
