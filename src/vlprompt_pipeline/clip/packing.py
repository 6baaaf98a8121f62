"""Class suffixes of different lengths, packed into rows of one length without padding waste.

A row holds the suffixes of several classes, one behind the other. They share the row's matrix
products and do not see each other. Rows are as long as costs least: short rows are cheap in
attention, long rows leave fewer places empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

_ROW_LENGTHS = range(32, 97, 2)  # tokens; where a suffix is longer, rows are of its length


@dataclass(frozen=True)
class Packing:
    """Where each token of each class's suffix stands; classes are numbered in order of the rows.

    Attributes:
        tokens: `[rows, length]` index into the flattened `[classes, longest]` suffixes, 0 where
            a row is empty.
        owner: `[rows, length]` class a token belongs to, -1 where a row is empty.
        ends: `[rows, most]` place of each class's end token in its row, 0 where the row has fewer
            classes than another.
        filled: `[classes]` index of each class's end token into the flattened `ends`.
        first: number of the first class of each row, and behind the last row that of all classes.
        order: `[classes]` where in the order of the rows a class stands.
    """

    tokens: Tensor
    owner: Tensor
    ends: Tensor
    filled: Tensor
    first: tuple[int, ...]
    order: Tensor

    def visible(self, shared: int) -> Tensor:
        """Tell which places a token sees: the prefix, and its own class up to itself.

        Returns:
            `[rows, length, shared + length]`.
        """
        same_class = (self.owner[:, :, None] == self.owner[:, None, :]).tril()
        return torch.cat([same_class.new_ones(*same_class.shape[:2], shared), same_class], dim=-1)


class SuffixLengths:
    """Tokens of each class's suffix, end token included, and what is made of them once.

    They follow from the class names alone, so they are numbers of the host: a pass through a tower
    asks the device for none of them. Tensors made of them live as long as this does, which a
    recorded CUDA graph relies on.

    Example:
        >>> lengths = SuffixLengths([3, 5])
        >>> len(lengths), lengths.longest, lengths.on(torch.device("cpu"))
        (2, 5, tensor([3, 5]))
    """

    def __init__(self, values: Iterable[int]) -> None:
        self.values = tuple(values)
        self.longest = max(self.values, default=0)
        self._tensors: dict[torch.device, Tensor] = {}
        self._packings: dict[tuple[int, torch.device], Packing] = {}
        self._parts: dict[tuple[int, int], SuffixLengths] = {}

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, some: slice) -> SuffixLengths:
        first, last, _ = some.indices(len(self))
        if (first, last) not in self._parts:
            self._parts[first, last] = SuffixLengths(self.values[first:last])
        return self._parts[first, last]

    def of(self, classes: Iterable[int]) -> SuffixLengths:
        """Return the lengths of some classes, which are made anew each time."""
        return SuffixLengths(self.values[each] for each in classes)

    def on(self, device: torch.device) -> Tensor:
        """Return the lengths as int64 `[classes]` on a device."""
        if device not in self._tensors:
            self._tensors[device] = torch.tensor(self.values, dtype=torch.int64, device=device)
        return self._tensors[device]

    def packing(self, width: int, device: torch.device) -> Packing:
        """Return `pack_rows` of these lengths."""
        if (width, device) not in self._packings:
            self._packings[width, device] = pack_rows(self.values, width, device)
        return self._packings[width, device]


@lru_cache(maxsize=64)
def pack_rows(lengths: tuple[int, ...], width: int, device: torch.device) -> Packing:
    """Return rows for suffixes of so many tokens, made once for the same lengths.

    `width` of a token says what long rows cost: a token's share of the matrix products takes as
    long as its attention to about 3 · width others (measured; by multiplications alone 6 · width).
    """
    longest = max(lengths)
    sizes = {max(longest, min(size, sum(lengths))) for size in _ROW_LENGTHS}
    fillings = {size: _fill(lengths, size) for size in sorted(sizes)}
    size = min(fillings, key=lambda n: len(fillings[n]) * n * (n + 3 * width))
    rows = fillings[size]
    tokens = torch.zeros(len(rows), size, dtype=torch.int64)
    owner = torch.full((len(rows), size), -1)
    ends = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    filled, first = [], [0]
    for row, classes in enumerate(rows):
        offset = 0
        for number, label in enumerate(classes):
            its = slice(offset, offset + lengths[label])
            tokens[row, its] = label * longest + torch.arange(lengths[label])
            owner[row, its] = label
            ends[row, number] = its.stop - 1
            filled.append(row * ends.shape[1] + number)
            offset = its.stop
        first.append(len(filled))
    order = torch.tensor([label for classes in rows for label in classes]).argsort()
    tensors = (tokens, owner, ends, torch.tensor(filled), order)
    tokens, owner, ends, filled, order = (each.to(device) for each in tensors)
    return Packing(tokens, owner, ends, filled, tuple(first), order)


def _fill(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Return classes of each row of `size` tokens.

    The longest first, into the fullest row they fit.
    """
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(size + 1)]  # rows, by the places left in them
    for label in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        left = next((n for n in range(lengths[label], size) if with_room[n]), size)
        if not with_room[left]:
            with_room[left].append(len(rows))
            rows.append([])
        row = with_room[left].pop()
        rows[row].append(label)
        with_room[left - lengths[label]].append(row)
    return rows
