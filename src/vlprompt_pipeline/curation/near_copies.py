"""Groups of photos that show nearly the same: bursts, crops, copies saved again.

Two photos are near copies if the cosine of their features is at least a threshold, and a group is
what such pairs connect. Which threshold separates copies from photos of one kind depends on the
CLIP.
"""

from __future__ import annotations

import numpy as np

BLOCK = 2_048  # rows of the matrix of cosines at once, fewer where there are very many photos
_MOST_COSINES = 1 << 26  # at once: 256 MiB


def near_copies(features: np.ndarray, threshold: float) -> list[list[int]]:
    """Return the rows of each group of two or more, groups and rows in order.

    Args:
        features: `[photos, width]`, of length 1.
        threshold: of the cosine.
    """
    first = np.arange(len(features))  # of the group that each photo is in so far
    block = min(BLOCK, max(1, _MOST_COSINES // max(1, len(features))))
    for start in range(0, len(features), block):
        near = features[start : start + block] @ features[start:].T >= threshold
        for row, columns in enumerate(near, start):
            connected = np.union1d(first[row], first[start:][columns])
            if len(connected) > 1:
                first[np.isin(first, connected)] = connected[0]
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(first.tolist()):
        groups.setdefault(group, []).append(row)
    return [group for group in groups.values() if len(group) > 1]
