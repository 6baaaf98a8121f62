"""Short texts and integers by key, the metadata of a packed prompt (docs/packed-format.md)."""

from __future__ import annotations

from collections.abc import Mapping

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.wire import Reader, characters, malformed, text, varint

_MAX_METADATA = 64
_INTEGERS = range(-(1 << 31), 1 << 31)


def metadata_bytes(metadata: Mapping[str, str | int]) -> bytes:
    """Return each key, then a number.

    Twice a text's length before the text, or an integer's zigzag code.

    Raises:
        PromptFileError: there are too many entries, a text or an integer is out of bounds.
    """
    out = bytearray()
    for key in sorted(metadata):
        value = metadata[key]
        out += text(key)
        if isinstance(value, str):
            encoded = characters(value)
            out += varint(len(encoded) << 1) + encoded
        elif value in _INTEGERS:
            out += varint((value << 1 ^ value >> 31) << 1 | 1)
        else:
            raise PromptFileError(f"metadata {key!r} is {value}: give a signed 32-bit integer")
    if len(metadata) > _MAX_METADATA:
        raise PromptFileError(
            f"metadata has {len(metadata)} entries: give {_MAX_METADATA} or fewer"
        )
    return bytes(out)


def read_metadata(reader: Reader) -> dict[str, str | int]:
    """Read what `metadata_bytes` wrote; PromptFileError if it cannot have written it."""
    metadata: dict[str, str | int] = {}
    last = ""
    if not len(reader):
        raise malformed("its metadata has no entry")
    while len(reader):
        key = reader.text("a metadata key")
        head = reader.varint(f"metadata {key!r}")
        if key <= last or len(metadata) >= _MAX_METADATA:
            raise malformed(f"metadata {key!r} is out of order or one too many")
        last = key
        if head & 1:
            metadata[key] = (head >> 2) ^ -(head >> 1 & 1)
            if metadata[key] not in _INTEGERS:
                raise malformed(f"metadata {key!r} is {metadata[key]}, beyond 32 bits")
        else:
            metadata[key] = reader.characters(head >> 1, f"metadata {key!r}")
    return metadata
