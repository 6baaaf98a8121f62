"""Integers and text as bytes, and a reader that never goes past the end of its data."""

from __future__ import annotations

import re

from vlprompt_pipeline.errors import PromptFileError

TEXT_LIMIT = 255  # bytes of a name, a metadata key or a metadata text
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_VARINT_BYTES = 5  # 35 bits: no number of the format needs more than 33


def varint(value: int) -> bytes:
    """Return unsigned LEB128: 7 bits a byte, the lowest first, bit 7 set while more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def characters(value: str) -> bytes:
    """Encode in UTF-8.

    Raises:
        PromptFileError: empty, longer than `TEXT_LIMIT` bytes, with control characters or lone
            surrogates.
    """
    encoded = value.encode("utf-8", "surrogatepass")
    if not 1 <= len(encoded) <= TEXT_LIMIT or _UNFIT.search(value):
        raise PromptFileError(
            f"a prompt file cannot hold the text {value[:40]!r}: give 1 to {TEXT_LIMIT} bytes of "
            "UTF-8 without control characters"
        )
    return encoded


def text(value: str) -> bytes:
    """Return length in bytes as varint, then `characters`, which see."""
    encoded = characters(value)
    return varint(len(encoded)) + encoded


def malformed(reason: str) -> PromptFileError:
    """Return the error for bytes that arrived as written but make no sense."""
    return PromptFileError(f"the prompt file is malformed: {reason}; export the prompt again")


class Reader:
    """A position in bytes; every read checks what is left before it takes or allocates."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def take(self, size: int, what: str) -> memoryview:
        """Return the next `size` bytes. Raises PromptFileError if there are fewer."""
        if size > len(self._data):
            raise malformed(f"{what} takes {size} bytes where {len(self._data)} are left")
        head, self._data = self._data[:size], self._data[size:]
        return head

    def byte(self, what: str) -> int:
        """Return the next byte."""
        return self.take(1, what)[0]

    def varint(self, what: str) -> int:
        """Read the next number; PromptFileError if it is cut, too long or not the shortest."""
        value = 0
        for number in range(_VARINT_BYTES):
            byte = self.byte(what)
            value |= (byte & 0x7F) << (7 * number)
            if byte < 0x80:
                if byte == 0 and number:
                    break
                return value
        raise malformed(f"{what} is not a number of up to {_VARINT_BYTES} bytes in shortest form")

    def text(self, what: str) -> str:
        """Return the next text with its length."""
        return self.characters(self.varint(what), what)

    def characters(self, size: int, what: str) -> str:
        """Return text in the next `size` bytes; PromptFileError for one that cannot be written."""
        if not 1 <= size <= TEXT_LIMIT:
            raise malformed(f"{what} has {size} bytes, not 1 to {TEXT_LIMIT}")
        try:
            value = bytes(self.take(size, what)).decode("utf-8")
        except UnicodeDecodeError:
            raise malformed(f"{what} is not UTF-8") from None
        if _UNFIT.search(value):
            raise malformed(f"{what} {value!r} has control characters")
        return value
