"""The packed prompt: a trained prompt as one small file that says what it is.

The bytes are specified in docs/packed-format.md, for readers in other languages too.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.metadata import metadata_bytes, read_metadata
from vlprompt_pipeline.export.tensor_bytes import minor_version, read_tensor, tensor_bytes
from vlprompt_pipeline.export.tensors import PackedTensor, stored_numbers
from vlprompt_pipeline.export.wire import Reader, malformed, text, varint

MAGIC, MAJOR, MINOR = b"VLP", 1, 2  # files of any minor version are read, see `_checked_header`
_HEADER = struct.Struct("<3sBI8s8s4s")  # magic, version, file size, checksum, CLIP, context
_CHECKSUM = slice(8, 16)
_TENSOR, _METADATA, _OPTIONAL = 1, 2, 0x80  # kinds of sections; from 128 a reader may skip

# Limits, our choice, so that no file can ask for much time or memory. The largest prompt is that of
# GDA on ImageNet with 16 views of 16 images, 65 million values in half precision.
MAX_FILE_BYTES = 256 << 20
MAX_VALUES = 1 << 27
_MAX_SECTIONS = 1024


@dataclass(frozen=True, eq=False)
class PackedPrompt:
    """A trained prompt as it ships.

    Attributes:
        method: method or recipe it was trained with.
        tensors: by name; stored, and given back, in the order of the names.
        clip_sha256: hash of the weights of its CLIP in hex; the file keeps the first 16 digits.
        context_sha256: hash in hex of what surrounds the tensors (tokenizer, template, place of
            the class name); the file keeps the first 8 digits, and its user compares them.
        metadata: short texts and signed 32-bit integers, whatever else its user needs.

    Example:
        >>> import numpy as np
        >>> from vlprompt_pipeline.export import DenseTensor
        >>> context = DenseTensor(np.ones((4, 8), dtype=np.float16))
        >>> data = pack(PackedPrompt("coop", {"context": context}, "ab" * 32, "cd" * 32))
        >>> unpack(data).tensors["context"].shape
        (4, 8)
    """

    method: str
    tensors: Mapping[str, PackedTensor]
    clip_sha256: str
    context_sha256: str
    metadata: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """What a prompt takes.

    Attributes:
        payload_bits: of values or indices alone, before any entropy coding.
        payload_bytes: of values, codebooks, and indices as they are stored.
        file_bytes: of the whole file.
        fp16_bytes: of as many values in half precision.
    """

    payload_bits: int
    payload_bytes: int
    file_bytes: int
    fp16_bytes: int


def prompt_sizes(prompt: PackedPrompt) -> Sizes:
    """Return sizes of a prompt and of its file.

    Raises:
        PromptFileError: as `pack`.
    """
    tensors = prompt.tensors.values()
    return Sizes(
        payload_bits=sum(tensor.payload_bits for tensor in tensors),
        payload_bytes=sum(tensor.payload_bytes for tensor in tensors),
        file_bytes=len(pack(prompt)),
        fp16_bytes=2 * sum(map(stored_numbers, tensors)),
    )


def pack(prompt: PackedPrompt) -> bytes:
    """Return the file of a prompt; equal prompts give equal bytes.

    Raises:
        PromptFileError: a value is not finite, or something is beyond the limits of the format.
        ValueError: a hash is too short or not in hex.
    """
    parts = [text(prompt.method)]
    if prompt.metadata:
        parts.append(_section(_METADATA, metadata_bytes(prompt.metadata)))
    minor = 0  # files without a tensor of a later version are those of 1.0, bit for bit
    for name in sorted(prompt.tensors):
        tensor = tensor_bytes(name, prompt.tensors[name])
        parts.append(_section(_TENSOR, text(name) + tensor))
        minor = max(minor, minor_version(tensor))
    body = b"".join(parts)
    size = _HEADER.size + len(body)
    if size > MAX_FILE_BYTES or _count(prompt) > MAX_VALUES or len(parts) > _MAX_SECTIONS:
        raise PromptFileError(
            f"the prompt is too large to be packed: {_count(prompt)} values in {len(parts)} parts "
            f"take {size} bytes, where {MAX_VALUES}, {_MAX_SECTIONS} and {MAX_FILE_BYTES} are "
            "allowed; shorten the prompt or quantize it"
        )
    clip, context = _prefix(prompt.clip_sha256, 8), _prefix(prompt.context_sha256, 4)
    version = MAJOR << 4 | minor
    data = bytearray(_HEADER.pack(MAGIC, version, size, bytes(8), clip, context) + body)
    data[_CHECKSUM] = _checksum(data)
    return bytes(data)


def unpack(data: bytes, expected_clip: str | None = None) -> PackedPrompt:
    """Return the prompt in a file; its hashes are as short as the file keeps them.

    Args:
        data: all bytes of the file.
        expected_clip: hash in hex of the weights of the CLIP in use, if that is to be checked.

    Raises:
        PromptFileError: the file is foreign, of a newer format, truncated, altered, malformed, or
            belongs to another CLIP.
        ValueError: `expected_clip` is too short or not in hex.
    """
    clip, context = _checked_header(data)
    if expected_clip is not None and _prefix(expected_clip, 8) != clip:
        raise PromptFileError(
            f"the prompt was trained on the CLIP with weights {clip.hex()}…, but the one in use "
            f"has {expected_clip[:16]}…: load the CLIP it was trained on, or train again"
        )
    reader = Reader(memoryview(data)[_HEADER.size :])
    method = reader.text("the method")
    tensors, metadata = _read_sections(reader, data[3] & 15)
    return PackedPrompt(method, tensors, clip.hex(), context.hex(), metadata)


def _checked_header(data: bytes) -> tuple[bytes, bytes]:
    """Return prefixes of the CLIP's and the context's hash, once the file is known to be whole."""
    if data[:3] != MAGIC[: len(data)] or not data:
        raise PromptFileError("the file is no packed prompt: give one that this project exported")
    if len(data) > 3 and data[3] >> 4 != MAJOR:
        raise PromptFileError(
            f"the prompt file is of format version {data[3] >> 4}.{data[3] & 15}, but this program "
            f"reads version {MAJOR}: use the vlprompt_pipeline that wrote it, or export it again"
        )
    whole = len(data) >= _HEADER.size
    size = _HEADER.unpack_from(data)[2] if whole else f"at least {_HEADER.size}"
    if len(data) != size:
        raise PromptFileError(
            f"the prompt file has {len(data)} bytes instead of {size}: it is truncated or has been "
            "added to, copy it again"
        )
    if len(data) > MAX_FILE_BYTES:
        raise malformed(f"it has {len(data)} bytes, more than {MAX_FILE_BYTES}")
    *_, checksum, clip, context = _HEADER.unpack_from(data)
    if checksum != _checksum(data):
        raise PromptFileError(
            "the prompt file was altered after it was written, its checksum does not fit: copy it "
            "again, or export the prompt again"
        )
    return clip, context


def _read_sections(
    reader: Reader, minor: int
) -> tuple[dict[str, PackedTensor], dict[str, str | int]]:
    tensors: dict[str, PackedTensor] = {}
    metadata: dict[str, str | int] | None = None
    last, room, sections = "", MAX_VALUES, 0
    while len(reader):
        kind = reader.byte("a section")
        section = Reader(reader.take(reader.varint("a section"), "a section"))
        sections += 1
        if sections >= _MAX_SECTIONS:
            raise malformed(f"it has {_MAX_SECTIONS} sections or more")
        if kind == _TENSOR:
            name = section.text("the name of a tensor")
            if name <= last:  # by code point, which is the order of UTF-8 bytes too
                raise malformed(f"tensor {name!r} is out of order")
            tensors[name] = read_tensor(name, section, room, minor)
            last, room = name, room - math.prod(tensors[name].shape)
        elif kind == _METADATA and metadata is None and not tensors:
            metadata = read_metadata(section)
        elif kind < _OPTIONAL:
            raise PromptFileError(
                f"the prompt file has a section of kind {kind} that version {MAJOR}.{MINOR} of the "
                "format does not allow there: use the vlprompt_pipeline that wrote it"
            )
    return tensors, metadata or {}


def _section(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + varint(len(body)) + body


def _checksum(data: bytes | bytearray) -> bytes:
    """Return first 8 bytes of the SHA-256 of everything but the checksum itself."""
    digest = hashlib.sha256(data[: _CHECKSUM.start])
    digest.update(memoryview(data)[_CHECKSUM.stop :])
    return digest.digest()[:8]


def _prefix(sha256: str, size: int) -> bytes:
    if not re.fullmatch(f"[0-9a-f]{{{2 * size},64}}", sha256):
        raise ValueError(f"{sha256!r} is not a hash of {2 * size} to 64 lower-case hex digits")
    return bytes.fromhex(sha256[: 2 * size])


def _count(prompt: PackedPrompt) -> int:
    return sum(math.prod(tensor.shape) for tensor in prompt.tensors.values())
