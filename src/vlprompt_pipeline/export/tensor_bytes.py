"""The bytes of a packed prompt's tensors (docs/packed-format.md)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.bits import pack_bits, packed_size, unpack_bits
from vlprompt_pipeline.export.tensors import (
    LEVEL_BITS,
    DenseTensor,
    PackedTensor,
    ProjectedTensor,
    QuantizedTensor,
    StructuredTensor,
)
from vlprompt_pipeline.export.wire import Reader, malformed, varint
from vlprompt_pipeline.random_directions import MAX_NUMBERS

MAX_DIMENSIONS = 8
_DENSE = {0: np.dtype(np.float16), 9: np.dtype(np.float32)}  # by code; codes 1 to 8 are bits
_SEVERAL = 10  # code of a tensor with more than one codebook
_STRUCTURED = 11  # code of a matrix with scales of rows and columns, and columns kept apart
_PROJECTED = 12  # code of a change along random directions


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
    _require_finite(name, stored)
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
    indices = _read_indices(reader, count, bits, what)
    return QuantizedTensor(indices.reshape(shape), entries.reshape(codebooks, -1))


def _structured_bytes(name: str, tensor: StructuredTensor) -> bytes:
    halves = (tensor.codebook, tensor.rows, tensor.columns, tensor.kept)
    _require_finite(name, *halves)
    form = bytes([len(tensor.shape) << 4 | _STRUCTURED]) + b"".join(map(varint, tensor.shape))
    kept_columns = varint(len(tensor.kept_columns)) + b"".join(
        varint(int(column)) for column in tensor.kept_columns
    )
    data = b"".join(part.astype("<f2").tobytes() for part in halves)
    return (
        form + bytes([tensor.bits]) + kept_columns + data + pack_bits(tensor.indices, tensor.bits)
    )


def _read_structured(reader: Reader, shape: tuple[int, ...], what: str) -> StructuredTensor:
    bits, kept = reader.byte(what), reader.varint(what)
    if len(shape) < 2 or not 1 <= bits <= 8 or kept >= shape[-1]:
        raise malformed(f"{what} of shape {shape} keeps {kept} columns beside {bits} bits")
    kept_columns = [reader.varint(what) for _ in range(kept)]
    if kept_columns != sorted(set(kept_columns)) or (
        kept_columns and kept_columns[-1] >= shape[-1]
    ):
        raise malformed(f"{what} of shape {shape} keeps the columns {kept_columns[:8]}")
    rows, columns = math.prod(shape[:-1]), shape[-1] - kept
    halves = ((1 << bits), rows, columns, rows * kept)
    _require_size(reader, 2 * sum(halves) + packed_size(rows * columns, bits), what)
    parts = [_read_values(reader, np.dtype(np.float16), count, what) for count in halves]
    indices = _read_indices(reader, rows * columns, bits, what)
    codebook, by_row, by_column, values = parts
    return StructuredTensor(
        shape,
        indices.reshape(rows, columns),
        codebook,
        by_row,
        by_column,
        values.reshape(rows, kept),
        np.array(kept_columns, np.intp),
    )


def _projected_bytes(name: str, tensor: ProjectedTensor) -> bytes:
    _require_finite(name, tensor.scale)
    form = bytes([len(tensor.shape) << 4 | _PROJECTED]) + b"".join(map(varint, tensor.shape))
    head = varint(tensor.seed) + varint(tensor.indices.size)
    scale = np.array(tensor.scale, "<f2").tobytes()
    return form + head + scale + pack_bits(tensor.indices, LEVEL_BITS)


def _read_projected(
    reader: Reader, shape: tuple[int, ...], max_values: int, what: str
) -> ProjectedTensor:
    seed, numbers = reader.varint(what), reader.varint(what)
    if not 1 <= numbers <= MAX_NUMBERS or math.prod(shape) * numbers > max_values:
        raise malformed(f"{what} of shape {shape} is made of {numbers} numbers")
    _require_size(reader, 2 + packed_size(numbers, LEVEL_BITS), what)
    (scale,) = _read_values(reader, np.dtype(np.float16), 1, what)
    indices = _read_indices(reader, numbers, LEVEL_BITS, what)
    return ProjectedTensor(shape, indices, scale, seed)


def _require_finite(name: str, *values: NDArray[np.floating]) -> None:
    if not all(np.isfinite(part).all() for part in values):
        raise PromptFileError(
            f"tensor {name!r} has values that are not finite: train again with a lower training.lr"
        )


def _require_size(reader: Reader, size: int, what: str) -> None:
    if size != len(reader):
        raise malformed(f"{what} takes {size} bytes, but there are {len(reader)}")


def _read_values(reader: Reader, dtype: np.dtype, count: int, what: str) -> NDArray[np.floating]:
    data = reader.take(count * dtype.itemsize, what)
    values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    if not np.isfinite(values).all():
        raise malformed(f"{what} has values that are not finite")
    return values


def _read_indices(reader: Reader, count: int, bits: int, what: str) -> NDArray[np.uint8]:
    """All that is left of a section."""
    try:
        return unpack_bits(reader.take(len(reader), what), count, bits)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
