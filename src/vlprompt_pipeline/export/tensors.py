"""The tensors of a packed prompt, dense or quantized: what they hold and what it decodes to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.export.bits import packed_size
from vlprompt_pipeline.export.entropy import shortest
from vlprompt_pipeline.random_directions import change

LEVEL_BITS = 4
"""Bits of a number along a random direction."""


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """A tensor stored as it is: float16 or float32, of any shape that holds a value."""

    values: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.values.dtype not in (np.float16, np.float32) or not self.values.size:
            raise ValueError(f"not float16 or float32 values, but {self.values.dtype}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.values.shape

    @property
    def payload_bits(self) -> int:
        """Bits of all values."""
        return 8 * self.values.nbytes

    @property
    def payload_bytes(self) -> int:
        """Bytes of all values."""
        return self.values.nbytes

    def decode(self) -> NDArray[np.floating]:
        """Return the values."""
        return self.values


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """A tensor as uint8 indices of its own shape into float16 codebooks [codebooks, 2**bits].

    Each codebook serves as many consecutive values, in C order, as any other.
    """

    indices: NDArray[np.uint8]
    codebooks: NDArray[np.float16]

    def __post_init__(self) -> None:
        shape = self.codebooks.shape
        if self.indices.dtype != np.uint8 or self.codebooks.dtype != np.float16:
            raise ValueError("not uint8 indices with float16 codebooks")
        if len(shape) != 2 or shape[1] not in {2**bits for bits in range(1, 9)}:
            raise ValueError(f"a codebook has 2, 4, 8 … 256 entries, not {shape}")
        if not self.indices.size or int(self.indices.max()) >= shape[1]:
            raise ValueError("there is no index, or one beyond the codebook")
        if not shape[0] or self.indices.size % shape[0]:
            raise ValueError(f"{shape[0]} codebooks do not divide {self.indices.size} indices")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.indices.shape

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return self.codebooks.shape[1].bit_length() - 1

    @cached_property
    def stored_indices(self) -> tuple[bytes, bool]:
        """The indices as a file holds them, and whether they are entropy-coded there."""
        return shortest(self.indices, self.bits)

    @property
    def payload_bits(self) -> int:
        """Bits of all indices before any entropy coding."""
        return self.indices.size * self.bits

    @property
    def payload_bytes(self) -> int:
        """Bytes of the codebooks and the indices as they are stored."""
        indices, coded = self.stored_indices
        return self.codebooks.nbytes + len(indices) + coded

    def decode(self) -> NDArray[np.float16]:
        """Return the values, in the shape of the indices."""
        rows = self.indices.reshape(len(self.codebooks), -1)
        return np.take_along_axis(self.codebooks, rows.astype(np.intp), 1).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class StructuredTensor:
    """A tensor as entry · scale of its row · scale of its column, some columns in half precision.

    Attributes:
        shape: of the tensor; rows run along the last dimension.
        indices: `[rows, other columns]` uint8; codebook: `[2**bits]` float16.
        rows: `[rows]` and columns: `[other columns]`, float16 scales.
        kept: `[rows, kept columns]` float16; kept_columns: `[kept columns]`, ascending.
    """

    shape: tuple[int, ...]
    indices: NDArray[np.uint8]
    codebook: NDArray[np.float16]
    rows: NDArray[np.float16]
    columns: NDArray[np.float16]
    kept: NDArray[np.float16]
    kept_columns: NDArray[np.intp]

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return len(self.codebook).bit_length() - 1

    @cached_property
    def stored_indices(self) -> tuple[bytes, bool]:
        """The indices as a file holds them, and whether they are entropy-coded there."""
        return shortest(self.indices, self.bits)

    @property
    def payload_bits(self) -> int:
        """Bits of all indices, before any entropy coding, and kept values."""
        return self.indices.size * self.bits + 8 * self.kept.nbytes

    @property
    def payload_bytes(self) -> int:
        """Bytes of codebook, scales, kept values and the indices as they are stored."""
        indices, coded = self.stored_indices
        halves = (self.codebook, self.rows, self.columns, self.kept)
        return sum(part.nbytes for part in halves) + len(indices) + coded

    def decode(self) -> NDArray[np.float32]:
        """Return the values, in single precision."""
        entries, rows, columns = (
            part.astype(np.float32) for part in (self.codebook, self.rows, self.columns)
        )
        matrix = np.empty((len(rows), len(columns) + len(self.kept_columns)), np.float32)
        kept = np.zeros(matrix.shape[1], bool)
        kept[self.kept_columns] = True
        matrix[:, kept] = self.kept
        matrix[:, ~kept] = entries[self.indices] * rows[:, None] * columns
        return matrix.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class ProjectedTensor:
    """The change of a context along random directions, see `random_directions`.

    Attributes:
        shape: of the context.
        indices: `[numbers]` uint8, places in the table of 16 levels.
        scale: one float16.
        seed: of the projection.
    """

    shape: tuple[int, ...]
    indices: NDArray[np.uint8]
    scale: np.float16
    seed: int

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return LEVEL_BITS

    @property
    def payload_bits(self) -> int:
        """Bits of all indices."""
        return self.indices.size * LEVEL_BITS

    @property
    def payload_bytes(self) -> int:
        """Bytes of the scale and the packed indices."""
        return self.scale.nbytes + packed_size(self.indices.size, LEVEL_BITS)

    def decode(self) -> NDArray[np.float32]:
        """Return what is added to the initial context, in its shape."""
        values = change(self.indices, self.scale, self.seed, math.prod(self.shape))
        return values.reshape(self.shape)


PackedTensor = DenseTensor | QuantizedTensor | StructuredTensor | ProjectedTensor


def stored_numbers(tensor: PackedTensor) -> int:
    """Return how many numbers a tensor is made of, whatever bits they have."""
    if isinstance(tensor, ProjectedTensor):
        return tensor.indices.size
    return math.prod(tensor.shape)
