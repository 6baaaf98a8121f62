"""Which classes a learner was trained on, for methods that treat these and new ones differently."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor


def hashed_names(names: Sequence[str]) -> Tensor:
    """Return a tensor that stands for class names in a prompt, `[classes, 2]`, integers as float32.

    A packed prompt holds tensors only. 48 bits of SHA-256 tell a hundred thousand names apart with
    a chance of error of 2e-5. They are two integers of 24, which single precision holds exactly.
    """
    digests = [hashlib.sha256(name.encode()).digest() for name in names]
    integers = [int.from_bytes(digest[i : i + 3], "little") for digest in digests for i in (0, 3)]
    return torch.tensor(integers, dtype=torch.float32).reshape(-1, 2)


def rows_of(names: Sequence[str], hashes: Tensor) -> list[int | None]:
    """Return the row of each name among `hashes` `[classes, 2]`, none for a new class.

    Of classes with the same name, of which ImageNet has two pairs, each has a row of its own.
    """
    left: dict[tuple[float, ...], list[int]] = defaultdict(list)  # rows by name, last one first
    for number, row in reversed([*enumerate(hashes.tolist())]):
        left[tuple(row)].append(number)
    rows: list[int | None] = []
    for name in map(tuple, hashed_names(names).tolist()):
        numbers = left[name] or [None]
        rows.append(numbers.pop() if len(numbers) > 1 else numbers[0])
    return rows
