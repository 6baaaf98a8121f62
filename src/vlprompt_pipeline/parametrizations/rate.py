"""A codebook for indices that are entropy-coded: many entries, the middle ones used most.

At equal bytes evenly spaced cells with a mean for each are within a tenth of a bit of the best
quantizer there is (Sullivan, IEEE Trans. Information Theory 42, 1996), and k-means, whose entries
are used about equally often, gains nothing from entropy coding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.parametrizations.clustering import Floats

# Our choices: steps that are tried first, in standard deviations, and halvings between two of them.
_STEPS = 2.0 ** np.linspace(4, -6, 41)
_HALVINGS = 16


def entries_at_rate(values: NDArray[np.floating], count: int, rate: float) -> Floats:
    """Return entries whose indices take about `rate` bits each once they are entropy-coded.

    Args:
        values: finite numbers, of any shape; indices are those of the nearest entry.
        count: of entries, at least 3.
        rate: entropy of the indices in bits, to which cells come as near from below as they can.
            Where the coarsest are above it they are taken, and where none reach it those of the
            highest entropy.

    Returns:
        `[count]`, ascending. Cells beyond the values repeat the outermost entry.
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=None)
    totals = np.concatenate(([0.0], np.cumsum(ordered)))
    std = ordered.std()
    if std == 0:
        return np.full(count, ordered[0])
    entropies = [_entropy(ordered, _entries(ordered, totals, count, std * step)) for step in _STEPS]
    reached = next((n for n, bits in enumerate(entropies) if bits >= rate), None)
    if reached is None or reached == 0:
        step = _STEPS[int(np.argmax(entropies)) if reached is None else 0]
        return _entries(ordered, totals, count, std * step)
    coarse, fine = _STEPS[reached - 1], _STEPS[reached]
    for _ in range(_HALVINGS):
        middle = (coarse + fine) / 2
        if _entropy(ordered, _entries(ordered, totals, count, std * middle)) >= rate:
            fine = middle
        else:
            coarse = middle
    return _entries(ordered, totals, count, std * coarse)


def _entries(ordered: Floats, totals: Floats, count: int, step: float) -> Floats:
    """Return means of evenly spaced cells, the mean of all values in the middle of one of them."""
    centre = totals[-1] / ordered.size
    inner = centre + step * (np.arange(1, count) - (count - 1) // 2 - 0.5)
    edges = np.concatenate(([0], np.searchsorted(ordered, inner), [ordered.size]))
    sizes = np.diff(edges)
    middles = centre + step * (np.arange(count) - (count - 1) // 2)
    means = np.where(sizes > 0, np.diff(totals[edges]) / np.maximum(sizes, 1), middles)
    return np.clip(means, ordered[0], ordered[-1])


def _entropy(ordered: Floats, entries: Floats) -> float:
    """Return bits of an index of the nearest entry."""
    edges = np.searchsorted(ordered, (entries[1:] + entries[:-1]) / 2)
    shares = np.diff(edges, prepend=0, append=ordered.size) / ordered.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
