"""The tensors of a packed prompt, dense or quantized, and their bytes (docs/packed-format.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.bits import pack_bits, packed_size, unpack_bits
from vlprompt_pipeline.export.wire import Reader, malformed, varint
from vlprompt_pipeline.random_directions import MAX_NUMBERS, change

MAX_DIMENSIONS = 8
_DENSE = {0: np.dtype(np.float16), 9: np.dtype(np.float32)}  # by code; codes 1 to 8 are bits
_SEVERAL = 10  # code of a tensor with more than one codebook
_STRUCTURED = 11  # code of a matrix with scales of rows and columns, and columns kept apart
_PROJECTED = 12  # code of a change along random directions
_LEVEL_BITS = 4


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """A tensor stored as it is: float16 or float32, of any shape that holds a value."""

    values: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.values.dtype not in _DENSE.values() or not self.values.size:
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
        """The values."""
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

    @property
    def payload_bits(self) -> int:
        """Bits of all indices."""
        return self.indices.size * self.bits

    @property
    def payload_bytes(self) -> int:
        """Bytes of the codebooks and the packed indices."""
        return self.codebooks.nbytes + packed_size(self.indices.size, self.bits)

    def decode(self) -> NDArray[np.float16]:
        """The values, in the shape of the indices."""
        rows = self.indices.reshape(len(self.codebooks), -1)
        return np.take_along_axis(self.codebooks, rows.astype(np.intp), 1).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class StructuredTensor:
    """A tensor as entry · scale of its row · scale of its column, some columns in half precision.

    Attributes:
        shape: of the tensor; rows run along the last dimension.
        indices: `[rows, other columns]` uint8; codebook: `[2**bits]` float16.
        rows: `[rows]` and columns: `[other columns]`, float16 scales.
        kept: `[rows, kept columns]` float16; places: `[kept columns]`, ascending.
    """

    shape: tuple[int, ...]
    indices: NDArray[np.uint8]
    codebook: NDArray[np.float16]
    rows: NDArray[np.float16]
    columns: NDArray[np.float16]
    kept: NDArray[np.float16]
    places: NDArray[np.intp]

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return len(self.codebook).bit_length() - 1

    @property
    def payload_bits(self) -> int:
        """Bits of all indices and kept values."""
        return self.indices.size * self.bits + 8 * self.kept.nbytes

    @property
    def payload_bytes(self) -> int:
        """Bytes of codebook, scales, kept values and packed indices."""
        halves = (self.codebook, self.rows, self.columns, self.kept)
        return sum(part.nbytes for part in halves) + packed_size(self.indices.size, self.bits)

    def decode(self) -> NDArray[np.float32]:
        """The values, in single precision."""
        entries, rows, columns = (
            part.astype(np.float32) for part in (self.codebook, self.rows, self.columns)
        )
        matrix = np.empty((len(rows), len(columns) + len(self.places)), np.float32)
        kept = np.zeros(matrix.shape[1], bool)
        kept[self.places] = True
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
        return _LEVEL_BITS

    @property
    def payload_bits(self) -> int:
        """Bits of all indices."""
        return self.indices.size * _LEVEL_BITS

    @property
    def payload_bytes(self) -> int:
        """Bytes of the scale and the packed indices."""
        return self.scale.nbytes + packed_size(self.indices.size, _LEVEL_BITS)

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


def tensor_bytes(name: str, tensor: PackedTensor) -> bytes:
    """Form, dimensions and data.

    Raises:
        PromptFileError: a value is not finite, or there are more than `MAX_DIMENSIONS` dimensions.
    """
    if isinstance(tensor, StructuredTensor):
        return _structured_bytes(name, tensor)
    if isinstance(tensor, ProjectedTensor):
        return _projected_bytes(name, tensor)
    several, indices = b"", b""
    if isinstance(tensor, DenseTensor):
        code = next(code for code, dtype in _DENSE.items() if dtype == tensor.values.dtype)
        stored = tensor.values
    else:
        code, stored = tensor.bits, tensor.codebooks
        indices = pack_bits(tensor.indices, tensor.bits)
        if len(tensor.codebooks) > 1:
            code, several = _SEVERAL, bytes([tensor.bits]) + varint(len(tensor.codebooks))
    if not np.isfinite(stored).all():
        raise PromptFileError(
            f"tensor {name!r} has values that are not finite: train again with a lower training.lr"
        )
    if len(tensor.shape) > MAX_DIMENSIONS:
        raise PromptFileError(
            f"tensor {name!r} has {len(tensor.shape)} dimensions: reshape it to {MAX_DIMENSIONS}"
        )
    form = bytes([len(tensor.shape) << 4 | code])
    little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    return form + b"".join(map(varint, tensor.shape)) + several + little.tobytes() + indices


def read_tensor(name: str, reader: Reader, max_values: int) -> PackedTensor:
    """The tensor in what is left of a section.

    Raises:
        PromptFileError: its form is unknown, its sizes and data disagree, it has more than
            `max_values` values, or one of them is not finite.
    """
    what = f"tensor {name!r}"
    dimensions, code = divmod(reader.byte(what), 16)
    if dimensions > MAX_DIMENSIONS or code > _PROJECTED:
        raise malformed(f"{what} has {dimensions} dimensions in encoding {code}, 8 and 12 are most")
    shape = tuple(reader.varint(what) for _ in range(dimensions))
    count = math.prod(shape)
    if not 1 <= count <= max_values:
        raise malformed(f"{what} of shape {shape} has no value or too many")
    if code in _DENSE:
        _require_size(reader, count * _DENSE[code].itemsize, what)
        return DenseTensor(_read_values(reader, _DENSE[code], count, what).reshape(shape))
    if code == _STRUCTURED:
        return _read_structured(reader, shape, what)
    if code == _PROJECTED:
        return _read_projected(reader, shape, max_values, what)
    bits, codebooks = code, 1
    if code == _SEVERAL:
        bits, codebooks = reader.byte(what), reader.varint(what)
        if not 1 <= bits <= 8 or codebooks < 2 or count % codebooks:
            raise malformed(f"{what} of shape {shape} has {codebooks} codebooks of {bits} bits")
    _require_size(reader, codebooks * (2 << bits) + packed_size(count, bits), what)
    entries = _read_values(reader, np.dtype(np.float16), codebooks << bits, what)
    try:
        indices = unpack_bits(reader.take(len(reader), what), count, bits)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
    return QuantizedTensor(indices.reshape(shape), entries.reshape(codebooks, -1))


def _structured_bytes(name: str, tensor: StructuredTensor) -> bytes:
    halves = (tensor.codebook, tensor.rows, tensor.columns, tensor.kept)
    if not all(np.isfinite(part).all() for part in halves):
        raise PromptFileError(
            f"tensor {name!r} has values that are not finite: train again with a lower training.lr"
        )
    form = bytes([len(tensor.shape) << 4 | _STRUCTURED]) + b"".join(map(varint, tensor.shape))
    places = varint(len(tensor.places)) + b"".join(varint(int(place)) for place in tensor.places)
    data = b"".join(part.astype("<f2").tobytes() for part in halves)
    return form + bytes([tensor.bits]) + places + data + pack_bits(tensor.indices, tensor.bits)


def _read_structured(reader: Reader, shape: tuple[int, ...], what: str) -> StructuredTensor:
    bits, kept = reader.byte(what), reader.varint(what)
    if len(shape) < 2 or not 1 <= bits <= 8 or kept >= shape[-1]:
        raise malformed(f"{what} of shape {shape} keeps {kept} columns beside {bits} bits")
    places = [reader.varint(what) for _ in range(kept)]
    if places != sorted(set(places)) or (places and places[-1] >= shape[-1]):
        raise malformed(f"{what} of shape {shape} keeps the columns {places[:8]}")
    rows, columns = math.prod(shape[:-1]), shape[-1] - kept
    halves = ((1 << bits), rows, columns, rows * kept)
    _require_size(reader, 2 * sum(halves) + packed_size(rows * columns, bits), what)
    parts = [_read_values(reader, np.dtype(np.float16), count, what) for count in halves]
    try:
        indices = unpack_bits(reader.take(len(reader), what), rows * columns, bits)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
    codebook, by_row, by_column, values = parts
    return StructuredTensor(
        shape,
        indices.reshape(rows, columns),
        codebook,
        by_row,
        by_column,
        values.reshape(rows, kept),
        np.array(places, np.intp),
    )


def _projected_bytes(name: str, tensor: ProjectedTensor) -> bytes:
    if not np.isfinite(tensor.scale):
        raise PromptFileError(
            f"tensor {name!r} has values that are not finite: train again with a lower training.lr"
        )
    form = bytes([len(tensor.shape) << 4 | _PROJECTED]) + b"".join(map(varint, tensor.shape))
    head = varint(tensor.seed) + varint(tensor.indices.size)
    scale = np.array(tensor.scale, "<f2").tobytes()
    return form + head + scale + pack_bits(tensor.indices, _LEVEL_BITS)


def _read_projected(
    reader: Reader, shape: tuple[int, ...], max_values: int, what: str
) -> ProjectedTensor:
    seed, numbers = reader.varint(what), reader.varint(what)
    if not 1 <= numbers <= MAX_NUMBERS or math.prod(shape) * numbers > max_values:
        raise malformed(f"{what} of shape {shape} is made of {numbers} numbers")
    _require_size(reader, 2 + packed_size(numbers, _LEVEL_BITS), what)
    (scale,) = _read_values(reader, np.dtype(np.float16), 1, what)
    try:
        indices = unpack_bits(reader.take(len(reader), what), numbers, _LEVEL_BITS)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
    return ProjectedTensor(shape, indices, scale, seed)


def _require_size(reader: Reader, size: int, what: str) -> None:
    if size != len(reader):
        raise malformed(f"{what} takes {size} bytes, but there are {len(reader)}")


def _read_values(reader: Reader, dtype: np.dtype, count: int, what: str) -> NDArray[np.floating]:
    data = reader.take(count * dtype.itemsize, what)
    values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    if not np.isfinite(values).all():
        raise malformed(f"{what} has values that are not finite")
    return values
