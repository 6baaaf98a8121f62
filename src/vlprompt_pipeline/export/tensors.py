"""The tensors of a packed prompt, dense or quantized, and their bytes (docs/packed-format.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.bits import pack_bits, packed_size, unpack_bits
from vlprompt_pipeline.export.wire import Reader, malformed, varint

MAX_DIMENSIONS = 8
_DENSE = {0: np.dtype(np.float16), 9: np.dtype(np.float32)}  # by code; codes 1 to 8 are bits


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
    """A tensor as uint8 indices of its own shape into a float16 codebook [2**bits]."""

    indices: NDArray[np.uint8]
    codebook: NDArray[np.float16]

    def __post_init__(self) -> None:
        if self.indices.dtype != np.uint8 or self.codebook.dtype != np.float16:
            raise ValueError("not uint8 indices with a float16 codebook")
        if self.codebook.shape not in {(2**bits,) for bits in range(1, 9)}:
            raise ValueError(f"a codebook has 2, 4, 8 … 256 entries, not {self.codebook.shape}")
        if not self.indices.size or int(self.indices.max()) >= self.codebook.size:
            raise ValueError("there is no index, or one beyond the codebook")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.indices.shape

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return self.codebook.size.bit_length() - 1

    @property
    def payload_bits(self) -> int:
        """Bits of all indices."""
        return self.indices.size * self.bits

    @property
    def payload_bytes(self) -> int:
        """Bytes of the codebook and the packed indices."""
        return self.codebook.nbytes + packed_size(self.indices.size, self.bits)

    def decode(self) -> NDArray[np.float16]:
        """The values, in the shape of the indices."""
        return self.codebook[self.indices]


PackedTensor = DenseTensor | QuantizedTensor


def tensor_bytes(name: str, tensor: PackedTensor) -> bytes:
    """Form, dimensions and data.

    Raises:
        PromptFileError: a value is not finite, or there are more than `MAX_DIMENSIONS` dimensions.
    """
    if isinstance(tensor, DenseTensor):
        code = next(code for code, dtype in _DENSE.items() if dtype == tensor.values.dtype)
        stored, indices = tensor.values, b""
    else:
        code, stored = tensor.bits, tensor.codebook
        indices = pack_bits(tensor.indices, tensor.bits)
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
    return form + b"".join(map(varint, tensor.shape)) + little.tobytes() + indices


def read_tensor(name: str, reader: Reader, max_values: int) -> PackedTensor:
    """The tensor in what is left of a section.

    Raises:
        PromptFileError: its form is unknown, its sizes and data disagree, it has more than
            `max_values` values, or one of them is not finite.
    """
    what = f"tensor {name!r}"
    dimensions, code = divmod(reader.byte(what), 16)
    if dimensions > MAX_DIMENSIONS or code > max(_DENSE):
        raise malformed(f"{what} has {dimensions} dimensions in encoding {code}, 8 and 9 are most")
    shape = tuple(reader.varint(what) for _ in range(dimensions))
    count = math.prod(shape)
    if not 1 <= count <= max_values:
        raise malformed(f"{what} of shape {shape} has no value or too many")
    if code in _DENSE:
        size = count * _DENSE[code].itemsize
    else:
        size = packed_size(count, code) + (2 << code)
    if size != len(reader):
        raise malformed(f"{what} of shape {shape} takes {size} bytes, but there are {len(reader)}")
    if code in _DENSE:
        return DenseTensor(_read_values(reader, _DENSE[code], count, what).reshape(shape))
    codebook = _read_values(reader, np.dtype(np.float16), 1 << code, what)
    try:
        indices = unpack_bits(reader.take(len(reader), what), count, code)
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
    return QuantizedTensor(indices.reshape(shape), codebook)


def _read_values(reader: Reader, dtype: np.dtype, count: int, what: str) -> NDArray[np.floating]:
    data = reader.take(count * dtype.itemsize, what)
    values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    if not np.isfinite(values).all():
        raise malformed(f"{what} has values that are not finite")
    return values
