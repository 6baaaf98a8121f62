"""Indices of a few bits each, packed without gaps.

Bit k of the stream is bit k mod 8 of byte k // 8, counted from the least significant; index i takes
the bits i*b to i*b + b - 1, its own least significant first. Bits left over in the last byte are 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def packed_size(count: int, bits: int) -> int:
    """Return bytes that `count` indices of `bits` bits take."""
    return (count * bits + 7) // 8


def pack_bits(indices: NDArray[np.uint8], bits: int) -> bytes:
    """Pack indices, read in C order whatever their shape, of `bits` (1 to 8) bits each.

    Raises:
        ValueError: an index needs more bits.
    """
    if indices.size and int(indices.max()) >> bits:
        raise ValueError(f"index {indices.max()} does not fit in {bits} bits")
    each = np.unpackbits(indices.reshape(-1, 1), axis=1, count=bits, bitorder="little")
    return np.packbits(each, bitorder="little").tobytes()


def unpack_bits(data: bytes, count: int, bits: int) -> NDArray[np.uint8]:
    """Return the `count` indices that `pack_bits` packed, [count].

    Raises:
        ValueError: `data` is not as long as they take, or a left-over bit is not 0.
    """
    if len(data) != packed_size(count, bits):
        raise ValueError(
            f"{count} indices of {bits} bits take {packed_size(count, bits)} bytes, not {len(data)}"
        )
    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if stream[count * bits :].any():
        raise ValueError("a bit after the last index is set")
    each = stream[: count * bits].reshape(count, bits)
    return np.packbits(each, axis=1, bitorder="little").reshape(count)
