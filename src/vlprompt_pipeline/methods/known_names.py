"""Which classes a learner was trained on, for methods that treat these and new ones differently."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

PIECES, PIECE_BYTES = 2, 3  # integers below 2^24, which single precision holds exactly


def hashed_names(names: Sequence[str]) -> Tensor:
    """Return a tensor that stands for class names in a prompt, `[classes, 2]`, integers as float32.

    A packed prompt holds tensors only. 48 bits of SHA-256 tell a hundred thousand names apart with
    a chance of error of 2e-5.
    """
    rows = []
    for name in names:
        digest = hashlib.sha256(name.encode()).digest()
        parts = (digest[i * PIECE_BYTES : (i + 1) * PIECE_BYTES] for i in range(PIECES))
        rows.append([float(int.from_bytes(part, "little")) for part in parts])
    return torch.tensor(rows).reshape(-1, PIECES)


def rows_of(names: Sequence[str], hashes: Tensor) -> list[int | None]:
    """Return the row of each name among `hashes` `[classes, 2]`, none for a new class.

    Of classes with the same name, of which ImageNet has two pairs, each has a row of its own.
    """
    numbers: dict[tuple[float, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(hashes.tolist()):
        numbers[tuple(row)].append(number)
    earlier: Counter[tuple[float, ...]] = Counter()
    rows: list[int | None] = []
    for name in map(tuple, hashed_names(names).tolist()):
        with_name = numbers.get(name, [None])
        rows.append(with_name[min(earlier[name], len(with_name) - 1)])
        earlier[name] += 1
    return rows
