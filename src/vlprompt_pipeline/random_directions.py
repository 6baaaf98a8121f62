"""Fixed random directions and a fixed table of levels: numbers that no file has to hold.

The change of a context of n values is P z, where P [n, m] has entries of 1 and -1 and z has m
numbers of 16 levels, times one scale. P comes from SplitMix64 (Steele, Lea and Flood, OOPSLA 2014),
written down in docs/packed-format.md, and not from a library's generator, which may change. All is
done with integers but for the scale, so that every reader gets the same bits in any order of sums.
The idea of training in a random subspace: Li et al., ICLR 2018.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POSITIVE = (6, 18, 30, 43, 58, 74, 95, 126)
LEVELS = (*(-level for level in reversed(POSITIVE)), *POSITIVE)
"""The best 16 levels for normal values (Max, 1960) in units of 1/46 of their deviation, rounded."""
UNIT = 46  # levels in a standard deviation
FRACTION = 2.0**-10  # of the scale in a file: keeps small scales out of half precision's subnormals
MAX_NUMBERS = 1024
_STEP, _MIX = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def splitmix64(seed: int, count: int) -> NDArray[np.uint64]:
    """Return the first numbers of SplitMix64, `[count]`, from a seed below 2^64."""
    steps = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(seed) + steps * np.uint64(_STEP)  # wraps around, as all below
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX[1])
    return z ^ (z >> np.uint64(31))


def projection(seed: int, values: int, numbers: int) -> NDArray[np.int8]:
    """Return P `[values, numbers]` of 1 and -1: entry e is -1 where bit e of the stream is set.

    Bit e is bit e mod 64 of the generator's number ⌊e / 64⌋, counted from the least significant.
    """
    words = splitmix64(seed, -(-values * numbers // 64)).astype("<u8")
    bits = np.unpackbits(words.view(np.uint8), count=values * numbers, bitorder="little")
    return (1 - 2 * bits.astype(np.int8)).reshape(values, numbers)


def change(
    indices: NDArray[np.uint8], scale: np.float16, seed: int, values: int
) -> NDArray[np.float32]:
    """Return P z `[values]`, of the places of z in the table and the scale of a file."""
    levels = np.array(LEVELS, np.float64)[indices]
    whole = projection(seed, values, len(indices)) @ levels  # integers below 2^24: exact
    return whole.astype(np.float32) * np.float32(scale) * np.float32(FRACTION)
