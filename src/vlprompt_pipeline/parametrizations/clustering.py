"""Exact k-means of scalars: the optimum itself, without restarts and without chance.

In one dimension the best clusters are intervals of the sorted values, so k-means is a dynamic
programme over split positions (Wang & Song, "Ckmeans.1d.dp", The R Journal 3/2, 2011). The best
last split never moves left when the prefix grows, so a layer of the programme is solved by divide
and conquer in O(n log n) (Gronlund et al., arXiv 1701.07204); here all searches of one depth of
that recursion are one NumPy call.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Our choices. 8,192 distinct values are the largest CoOp prompt (16 x 512). With more, the splits
# are sought on a grid and then polished, see `kmeans_1d`.
EXACT_LIMIT = 8_192
_LLOYD_ROUNDS = 1_000


class _Sums(NamedTuple):
    """Of all values left of a split: how many, their sum, the sum of squares; [splits] each."""

    count: Floats
    total: Floats
    square: Floats


def kmeans_1d(values: NDArray[np.floating], k: int) -> Floats:
    """Return centroids of the clustering of scalars into `k` clusters with the least squared error.

    The result is the optimum for up to `EXACT_LIMIT` distinct values. With more, it is the optimum
    over a grid of that many splits (half at equal ranks, half at equal distances, so that neither
    a crowd nor an outlier is lost), polished by Lloyd's iteration on the values themselves: our
    choice, which may end in a local optimum beside the best one.

    Args:
        values: finite numbers within the range of float32, of any shape.
        k: number of centroids, at least 1.

    Returns:
        Ascending centroids, [k]. With fewer than `k` distinct values each of them is a centroid
        and the largest is repeated.

    Raises:
        ValueError: there is no value, one is not finite, or `k` is below 1.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if k < 1 or ordered.size == 0 or not np.isfinite(ordered[[0, -1]]).all():  # NaN sorts last
        raise ValueError(f"k-means needs k >= 1 and finite values, not k={k} for {ordered.size}")
    center = ordered.mean()
    ordered -= center  # small running sums lose fewer digits in their differences
    starts = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1))  # of runs of equal values
    if starts.size <= k:
        return center + np.pad(ordered[starts], (0, k - starts.size), mode="edge")
    totals = np.concatenate(([0.0], np.cumsum(ordered)))
    squares = np.concatenate(([0.0], np.cumsum(ordered * ordered)))
    splits = np.append(_candidates(ordered[starts], starts), ordered.size)
    best = _best_splits(_Sums(splits.astype(np.float64), totals[splits], squares[splits]), k)
    edges = splits[best]
    centroids = np.diff(totals[edges]) / np.diff(edges)
    if starts.size > EXACT_LIMIT:
        centroids = _lloyd(ordered, totals, centroids)
    return center + centroids


def _candidates(distinct: Floats, starts: Positions) -> Positions:
    """Return where clusters may begin: before every distinct value, or on a grid of fewer."""
    if starts.size <= EXACT_LIMIT:
        return starts
    by_rank = np.linspace(0, starts.size - 1, EXACT_LIMIT // 2).astype(np.intp)
    by_distance = np.searchsorted(
        distinct, np.linspace(distinct[0], distinct[-1], EXACT_LIMIT // 2)
    )
    return starts[np.union1d(by_rank, by_distance)]


def _best_splits(sums: _Sums, k: int) -> Positions:
    """Return edges of the `k` best clusters as positions in `sums`, first and last included.

    They are `k + 1` numbers.

    Clusters are laid from the left and, on mirrored sums, from the right at once, and meet at the
    best middle split: half as many layers that have to wait for each other.
    """
    width = sums.count.size
    both = _Sums(*(np.concatenate((part, part[-1] - part[::-1])) for part in sums))
    bases = np.array([0, width])  # where the two readings begin in the joined arrays
    left, right = k // 2, k - k // 2
    if k == 1:
        return np.array([0, width - 1])
    with np.errstate(invalid="ignore"):  # 0/0 at the bases, where there is nothing to cluster
        errors = [both.square - both.total**2 / both.count]
    choices: list[Positions] = []
    for clusters in range(2, right + 1):
        error, choice = _add_cluster(both, errors[-1], bases, clusters)
        errors.append(error)
        choices.append(choice)
    meeting = errors[left - 1][:width] + errors[right - 1][width:][::-1]
    middle = left + int(np.argmin(meeting[left : width - right]))
    ahead = _trace(choices[: left - 1], middle, bases[0])
    behind = _trace(choices[: right - 1], width - 1 - middle, bases[1])
    return np.concatenate((ahead[:-1], width - 1 - behind[::-1]))


def _trace(choices: list[Positions], end: int, base: int) -> Positions:
    """Follow the chosen last splits back from `end`: ascending edges, [len(choices) + 2]."""
    edges = [end]
    for choice in reversed(choices):
        edges.append(int(choice[base + edges[-1]]) - base)
    return np.array([0, *reversed(edges)])


def _add_cluster(
    sums: _Sums, error: Floats, bases: Positions, clusters: int
) -> tuple[Floats, Positions]:
    """Return least error with `clusters` clusters up to each position, from that with one fewer.

    Returns:
        The errors and the positions of the last split, both of the shape of `error`; positions
        with too few values for so many clusters hold infinity.
    """
    width = error.size // bases.size
    first, last = clusters, width - 1  # positions, relative to a base, that can hold the clusters
    fixed = error - sums.square  # the part of the sought sum that depends on the split alone
    least = np.full(error.size, np.inf)
    choice = np.repeat(bases + last - 1, width)
    choice[bases + first - 1] = bases + first - 1  # sentinel left of the first end: lowest split
    step = 1 << (last - first).bit_length()
    while step > 1:
        step //= 2
        ends = np.arange(first + step - 1, width, 2 * step)  # between those of the steps before
        above = np.minimum(ends + step, last)
        ends = (bases[:, None] + ends).ravel()
        lowest = choice[ends - step]
        highest = np.minimum(choice[(bases[:, None] + above).ravel()], ends - 1)
        least[ends], choice[ends] = _search(sums, fixed, ends, lowest, highest)
    return least + sums.square, choice


def _search(
    sums: _Sums, fixed: Floats, ends: Positions, lowest: Positions, highest: Positions
) -> tuple[Floats, Positions]:
    """Find the split of least error for each end, from `lowest` to `highest` inclusive."""
    lengths = highest - lowest + 1
    stops = np.cumsum(lengths)
    begins = stops - lengths
    splits = np.arange(stops[-1]) + np.repeat(lowest - begins, lengths)
    gained = np.repeat(sums.total[ends], lengths)
    gained -= sums.total.take(splits)
    gained *= gained
    count = np.repeat(sums.count[ends], lengths)
    count -= sums.count.take(splits)
    gained /= count
    error = fixed.take(splits)
    error -= gained
    least = np.minimum.reduceat(error, begins)
    hits = np.flatnonzero(error == np.repeat(least, lengths))
    return least, splits[hits[np.searchsorted(hits, begins)]]  # the leftmost of equals


def lloyd_1d(values: NDArray[np.floating], centroids: NDArray[np.floating]) -> Floats:
    """Return centroids `[k]`, ascending, at which Lloyd's iteration from the given ones rests.

    A centroid without values stays where it is. A thousand rounds are the most: our choice.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    center = ordered.mean()
    ordered -= center
    totals = np.concatenate(([0.0], np.cumsum(ordered)))
    return center + _lloyd(ordered, totals, np.asarray(centroids, dtype=np.float64) - center)


def _lloyd(ordered: Floats, totals: Floats, centroids: Floats) -> Floats:
    """Run Lloyd's iteration on sorted values and their running sums."""
    edges = None
    for _ in range(_LLOYD_ROUNDS):
        inner = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        moved = np.concatenate(([0], inner, [ordered.size]))
        if np.array_equal(moved, edges):
            break
        edges, counts = moved, np.diff(moved)
        means = np.diff(totals[edges]) / np.maximum(counts, 1)
        centroids = np.where(counts > 0, means, centroids)
    return centroids
