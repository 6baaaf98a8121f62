"""Class suffixes of different lengths, packed into rows of one length without padding waste.

A row holds the suffixes of several classes, one behind the other. They share the row's matrix
products and do not see each other. Rows are as long as costs least: short rows are cheap in
attention, long rows leave fewer places empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

_ROW_LENGTHS = range(32, 97, 2)  # tokens; where a suffix is longer, rows are of its length


@dataclass(frozen=True, eq=False)
class Packing:
    """Where each token of each class's suffix stands; what follows from it is made once.

    Attributes:
        tokens: `[rows, length]` index into the flattened `[classes, longest]` suffixes, 0 where
            a row is empty.
        owner: `[rows, length]` class a token belongs to, -1 where a row is empty.
        ends: `[rows, most]` place of each class's end token in its row, 0 where the row has fewer
            classes than another.
        end_at: `[rows, length]` which of its row's end tokens stands at a place, `most` if none.
        places: `[classes]` index of each class's end token into the flattened `ends`.
        class_at: `[rows · most]` class of each of these, `classes` if none.
    """

    tokens: Tensor
    owner: Tensor
    ends: Tensor
    end_at: Tensor
    places: Tensor
    class_at: Tensor
    _masks: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] = field(
        default_factory=dict, repr=False
    )

    def visible(self, shared: int) -> Tensor:
        """Tell which places a token sees: the prefix, and its own class up to itself.

        Returns:
            `[rows, length, shared + length]`.
        """
        same_class = (self.owner[:, :, None] == self.owner[:, None, :]).tril()
        return torch.cat([same_class.new_ones(*same_class.shape[:2], shared), same_class], dim=-1)

    def masks(self, shared: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return what is added in attention: 0 where a token is seen, else -inf.

        Both have columns behind the last token, up to a multiple of 8: attention of a GPU would
        otherwise add them in every block.

        Returns:
            That of the prefix, `[shared, …]`, and that of the rows, `[rows, length, …]`.
        """
        if (shared, dtype) not in self._masks:
            before = self.owner.new_ones(shared, shared).tril().bool()
            both = _additive(before, dtype), _additive(self.visible(shared), dtype)
            self._masks[shared, dtype] = both
        return self._masks[shared, dtype]


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    whole = F.pad(visible, (0, -visible.shape[-1] % 8))
    zeros = torch.zeros(whole.shape, dtype=dtype, device=whole.device)
    return zeros.masked_fill_(~whole, -torch.inf)


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
    most = max(map(len, rows))
    tokens = torch.zeros(len(rows), size, dtype=torch.int64)
    owner = torch.full((len(rows), size), -1)
    ends = torch.zeros(len(rows), most, dtype=torch.int64)
    end_at = torch.full((len(rows), size), most)
    places = torch.zeros(len(lengths), dtype=torch.int64)
    class_at = torch.full((len(rows) * most,), len(lengths))
    for row, classes in enumerate(rows):
        offset = 0
        for number, label in enumerate(classes):
            its = slice(offset, offset + lengths[label])
            tokens[row, its] = label * longest + torch.arange(lengths[label])
            owner[row, its] = label
            ends[row, number] = its.stop - 1
            end_at[row, its.stop - 1] = number
            places[label] = row * most + number
            class_at[places[label]] = label
            offset = its.stop
    tensors = (tokens, owner, ends, end_at, places, class_at)
    return Packing(*(each.to(device) for each in tensors))


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
