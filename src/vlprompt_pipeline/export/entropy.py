"""Indices in as few bits as their frequencies allow: an interleaved range coder of integers alone.

The coder is rANS (Duda, arXiv 1311.2540): a state of 32 bits takes in one index after the other,
a frequent one making it grow less, and hands 16 bits on whenever it is full. Index i goes into lane
i mod lanes, each with a state of its own, so that a large tensor is coded an array at a time
(Giesen, arXiv 1402.3392). Indices are taken in from the last to the first and come out from the
first to the last. docs/packed-format.md has the bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.export.bits import pack_bits, packed_size
from vlprompt_pipeline.export.wire import Reader, malformed, varint

PRECISION = 12
"""Frequencies of all entries are parts of 2**12."""

LANE = 4096
"""Indices of a lane at most: 2 bytes for so many is what interleaving costs (our choice)."""

_TOTAL, _LOW = 1 << PRECISION, 1 << 16
_FULL = 32 - PRECISION  # a state of frequency << 20 or more would grow beyond 32 bits
_FEW_LANES = 24  # up to so many, Python's integers are faster than arrays that short

Counts = NDArray[np.int64]


def frequencies(indices: NDArray[np.uint8], entries: int) -> Counts:
    """Share of each entry in parts of 4096, `[entries]`: 0 where it is not used, else 1 or more.

    With u used entries and C_s indices below entry s it is 1 + ⌊(4096 - u) C_(s+1) / n⌋ -
    ⌊(4096 - u) C_s / n⌋, which adds up to 4096 by itself.
    """
    counts = np.bincount(indices.ravel(), minlength=entries).astype(np.int64)
    used = counts > 0
    edges = (_TOTAL - used.sum()) * np.concatenate(([0], counts.cumsum())) // counts.sum()
    return np.diff(edges) + used


def shortest(indices: NDArray[np.uint8], bits: int) -> tuple[bytes, bool]:
    """Return the indices in the form that takes fewer bytes, and whether that is the coded one.

    The coded form is counted with the byte that says what is coded; of equals the plain one wins.
    """
    size, entries = packed_size(indices.size, bits), 2**bits
    if 1 + entries + 4 * _lanes(indices.size) < size:  # else table and states are too much already
        coded = encode_indices(indices, entries)
        if 1 + len(coded) < size:
            return coded, True
    return pack_bits(indices, bits), False


def encode_indices(indices: NDArray[np.uint8], entries: int) -> bytes:
    """Return the table of frequencies, a state for each lane, and the words they handed on."""
    flat = indices.ravel()
    table = frequencies(flat, entries)
    lanes = _lanes(flat.size)
    encode = encode_few if lanes <= _FEW_LANES else encode_many
    states, words = encode(flat, table, lanes)
    head = b"".join(varint(int(frequency)) for frequency in table)
    return head + np.array(states, "<u4").tobytes() + np.array(words, "<u2").tobytes()


def decode_indices(reader: Reader, count: int, entries: int, what: str) -> NDArray[np.uint8]:
    """Return the `count` indices in all that is left of a section, `[count]`.

    Raises:
        PromptFileError: a table that does not add up, too few or too many bytes, or states that do
            not end where they began.
    """
    table = np.array([reader.varint(what) for _ in range(entries)], np.int64)
    if table.max() > _TOTAL or table.sum() != _TOTAL:
        raise malformed(f"{what} has frequencies that do not add up to {_TOTAL}")
    lanes = _lanes(count)
    states = np.frombuffer(reader.take(4 * lanes, what), "<u4")
    if len(reader) % 2:
        raise malformed(f"{what} ends within a word")
    words = np.frombuffer(reader.take(len(reader), what), "<u2")
    decode = decode_few if lanes <= _FEW_LANES else decode_many
    indices, states, taken = decode(count, table, states, words)
    if taken != len(words) or any(state != _LOW for state in states):
        raise malformed(f"{what} has indices that do not end with their bytes")
    return indices


def _lanes(count: int) -> int:
    return -(-count // LANE)


def encode_few(flat: NDArray[np.uint8], table: Counts, lanes: int) -> tuple[list, list]:
    """Write indices into a few lanes, one at a time; returns states and words of 16 bits."""
    below = [0, *np.cumsum(table).tolist()]
    parts = table.tolist()
    states, words = [_LOW] * lanes, []
    places = flat.tolist()
    for number in range(len(places) - 1, -1, -1):
        index, lane = places[number], number % lanes
        part, state = parts[index], states[lane]
        if state >= part << _FULL:
            words.append(state & 0xFFFF)
            state >>= 16
        whole, rest = divmod(state, part)
        states[lane] = (whole << PRECISION) + rest + below[index]
    return states, words[::-1]


def decode_few(
    count: int, table: Counts, start: NDArray[np.uint32], words: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], list, int]:
    """Read indices, the states they end in and how many words were taken; -1 for too few."""
    entry_of = np.repeat(np.arange(len(table)), table).tolist()
    below = [0, *np.cumsum(table).tolist()]
    parts, states, waiting = table.tolist(), start.tolist(), words.tolist()
    lanes, taken = len(states), 0
    indices = []
    for number in range(count):
        state = states[number % lanes]
        slot = state & _TOTAL - 1
        index = entry_of[slot]
        state = parts[index] * (state >> PRECISION) + slot - below[index]
        if state < _LOW:
            if taken == len(waiting):
                return np.zeros(0, np.uint8), states, -1
            state = state << 16 | waiting[taken]
            taken += 1
        states[number % lanes] = state
        indices.append(index)
    return np.array(indices, np.uint8), states, taken


def encode_many(
    flat: NDArray[np.uint8], table: Counts, lanes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write as `encode_few` does, one index of each lane at a time."""
    below = np.cumsum(table) - table
    states = np.full(lanes, _LOW, np.int64)
    words = []
    for begin in range((flat.size - 1) // lanes * lanes, -1, -lanes):
        index = flat[begin : begin + lanes]
        part, state = table[index], states[: index.size]  # a view: the last step may be short
        full = state >= part << _FULL
        words.append(state[full] & 0xFFFF)
        state[full] >>= 16
        whole, rest = np.divmod(state, part)
        state[:] = (whole << PRECISION) + rest + below[index]
    return states, np.concatenate(words[::-1])


def decode_many(
    count: int, table: Counts, start: NDArray[np.uint32], words: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Read as `decode_few` does, one index of each lane at a time."""
    entry_of = np.repeat(np.arange(len(table), dtype=np.uint8), table)
    below = np.cumsum(table) - table
    states, lanes, taken = start.astype(np.int64), len(start), 0
    indices = np.empty(count, np.uint8)
    for begin in range(0, count, lanes):
        state = states[: count - begin]
        slot = state & _TOTAL - 1
        index = entry_of[slot]
        state[:] = table[index] * (state >> PRECISION) + slot - below[index]
        empty = state < _LOW
        wanted = int(empty.sum())
        if taken + wanted > words.size:
            return indices, states, -1
        state[empty] = state[empty] << 16 | words[taken : taken + wanted]
        taken += wanted
        indices[begin : begin + lanes] = index
    return indices, states, taken
