"""The bytes of a packed prompt's tensors (docs/packed-format.md)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.bits import pack_bits, packed_size, unpack_bits
from vlprompt_pipeline.export.entropy import decode_indices, shortest
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
_CODED = 13  # code of a tensor as one of codes 1 to 8, 10 and 11, its indices entropy-coded
_MINOR = {_STRUCTURED: 1, _PROJECTED: 1, _CODED: 2}  # version that brought a code, if not the first


def tensor_bytes(name: str, tensor: PackedTensor) -> bytes:
    """Return form, dimensions and data of a tensor.

    Raises:
        PromptFileError: a value is not finite, or there are more than `MAX_DIMENSIONS` dimensions.
    """
    if len(tensor.shape) > MAX_DIMENSIONS:
        raise PromptFileError(
            f"tensor {name!r} has {len(tensor.shape)} dimensions: reshape it to {MAX_DIMENSIONS}"
        )
    indices, coded = b"", False
    if isinstance(tensor, DenseTensor):
        code = next(code for code, dtype in _DENSE.items() if dtype == tensor.values.dtype)
        head = _values_bytes(name, tensor.values)
    elif isinstance(tensor, ProjectedTensor):
        code, indices = _PROJECTED, pack_bits(tensor.indices, LEVEL_BITS)
        scale = _values_bytes(name, np.array(tensor.scale))
        head = varint(tensor.seed) + varint(tensor.indices.size) + scale
    elif isinstance(tensor, StructuredTensor):
        (indices, coded), code = tensor.stored_indices, _STRUCTURED
        kept = b"".join(varint(int(column)) for column in tensor.kept_columns)
        halves = (tensor.codebook, tensor.rows, tensor.columns, tensor.kept)
        head = bytes([tensor.bits]) + varint(len(tensor.kept_columns)) + kept
        head += b"".join(_values_bytes(name, part) for part in halves)
    else:
        (indices, coded), code = tensor.stored_indices, tensor.bits
        head = _values_bytes(name, tensor.codebooks)
        if len(tensor.codebooks) > 1:
            code, head = _SEVERAL, bytes([tensor.bits]) + varint(len(tensor.codebooks)) + head
    if coded:
        code, head = _CODED, bytes([code]) + head
    form = bytes([len(tensor.shape) << 4 | code])
    return form + b"".join(map(varint, tensor.shape)) + head + indices


def minor_version(tensor: bytes) -> int:
    """Return the minor version of the format that brought the encoding of `tensor_bytes`."""
    return _MINOR.get(tensor[0] & 15, 0)


def read_tensor(name: str, reader: Reader, max_values: int, minor: int) -> PackedTensor:
    """Return the tensor in what is left of a section, in a file of that minor version.

    Raises:
        PromptFileError: its form is unknown or newer than the file, its sizes and data disagree, it
            has more than `max_values` values, or one of them is not finite.
    """
    what = f"tensor {name!r}"
    dimensions, code = divmod(reader.byte(what), 16)
    if dimensions > MAX_DIMENSIONS or code > _CODED:
        raise malformed(f"{what} has {dimensions} dimensions in encoding {code}, 8 and 13 are most")
    if _MINOR.get(code, 0) > minor:
        raise malformed(f"{what} has encoding {code}, which version 1.{minor} does not have")
    shape = tuple(reader.varint(what) for _ in range(dimensions))
    count = math.prod(shape)
    if not 1 <= count <= max_values:
        raise malformed(f"{what} of shape {shape} has no value or too many")
    if code in _DENSE:
        _require_size(reader, count * _DENSE[code].itemsize, what)
        return DenseTensor(_read_values(reader, _DENSE[code], count, what).reshape(shape))
    if code == _PROJECTED:
        return _read_projected(reader, shape, max_values, what)
    coded = code == _CODED
    if coded:
        code = reader.byte(what)
        if not 1 <= code <= _STRUCTURED or code in _DENSE:
            raise malformed(f"{what} has entropy-coded indices of encoding {code}")
    if code == _STRUCTURED:
        return _read_structured(reader, shape, coded, what)
    bits, codebooks = code, 1
    if code == _SEVERAL:
        bits, codebooks = reader.byte(what), reader.varint(what)
        if not 1 <= bits <= 8 or codebooks < 2 or count % codebooks:
            raise malformed(f"{what} of shape {shape} has {codebooks} codebooks of {bits} bits")
    if not coded:
        _require_size(reader, codebooks * (2 << bits) + packed_size(count, bits), what)
    entries = _read_values(reader, np.dtype(np.float16), codebooks << bits, what)
    indices = _read_indices(reader, count, bits, coded, what)
    return QuantizedTensor(indices.reshape(shape), entries.reshape(codebooks, -1))


def _read_structured(
    reader: Reader, shape: tuple[int, ...], coded: bool, what: str
) -> StructuredTensor:
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
    if not coded:
        _require_size(reader, 2 * sum(halves) + packed_size(rows * columns, bits), what)
    parts = [_read_values(reader, np.dtype(np.float16), count, what) for count in halves]
    indices = _read_indices(reader, rows * columns, bits, coded, what)
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


def _read_projected(
    reader: Reader, shape: tuple[int, ...], max_values: int, what: str
) -> ProjectedTensor:
    seed, numbers = reader.varint(what), reader.varint(what)
    if not 1 <= numbers <= MAX_NUMBERS or math.prod(shape) * numbers > max_values:
        raise malformed(f"{what} of shape {shape} is made of {numbers} numbers")
    _require_size(reader, 2 + packed_size(numbers, LEVEL_BITS), what)
    (scale,) = _read_values(reader, np.dtype(np.float16), 1, what)
    indices = _read_indices(reader, numbers, LEVEL_BITS, False, what)
    return ProjectedTensor(shape, indices, scale, seed)


def _values_bytes(name: str, values: NDArray[np.floating]) -> bytes:
    if not np.isfinite(values).all():
        raise PromptFileError(
            f"tensor {name!r} has values that are not finite: train again with a lower training.lr"
        )
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _require_size(reader: Reader, size: int, what: str) -> None:
    if size != len(reader):
        raise malformed(f"{what} takes {size} bytes, but there are {len(reader)}")


def _read_values(reader: Reader, dtype: np.dtype, count: int, what: str) -> NDArray[np.floating]:
    data = reader.take(count * dtype.itemsize, what)
    values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    if not np.isfinite(values).all():
        raise malformed(f"{what} has values that are not finite")
    return values


def _read_indices(
    reader: Reader, count: int, bits: int, coded: bool, what: str
) -> NDArray[np.uint8]:
    """Return all that is left of a section; entropy-coded only as `shortest` would code it."""
    data = reader.take(len(reader), what)
    if coded:
        indices = decode_indices(Reader(data), count, 2**bits, what)
        if shortest(indices, bits) != (data, True):
            raise malformed(f"{what} has indices that are coded otherwise in fewer bytes")
        return indices
    try:
        return unpack_bits(data, count, bits)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
