"""Groups of photos that show nearly the same: bursts, crops, copies saved again.

Two photos are near copies if the cosine of their features is at least a threshold, and a group is
what such pairs connect. The threshold, 0.98 unless another is given, is our choice and was not
measured; which one separates copies from photos of one kind depends on the CLIP.
"""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.98
BLOCK = 2_048  # rows of the matrix of cosines at once


def near_copies(features: np.ndarray, threshold: float = THRESHOLD) -> list[list[int]]:
    """Return the rows of each group of two or more, groups and rows in order.

    Args:
        features: `[photos, width]`, of length 1.
        threshold: of the cosine.
    """
    leader = np.arange(len(features))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    for start in range(0, len(features), BLOCK):
        block = features[start : start + BLOCK]
        rows, columns = np.nonzero(block @ features[start:].T >= threshold)
        for row, column in zip(rows + start, columns + start, strict=True):
            if row < column:
                lower, higher = sorted((find(row), find(column)))
                leader[higher] = lower
    groups: dict[int, list[int]] = {}
    for row in range(len(features)):
        groups.setdefault(find(row), []).append(row)
    return [group for group in groups.values() if len(group) > 1]
