"""Checksums of files: those published, those seen."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

_CHUNK = 1 << 20


class Digests(NamedTuple):
    """What a file was found to be."""

    size: int
    sha256: str
    md5: str


class Checksum(NamedTuple):
    """A published checksum: its kind and its hex digits."""

    kind: Literal["sha256", "md5"]
    digits: str

    def of(self, digests: Digests) -> Checksum:
        """The checksum of the same kind that was found."""
        return Checksum(self.kind, getattr(digests, self.kind))

    def fits(self, digests: Digests) -> bool:
        """Whether the file is the published one."""
        return self.of(digests) == self

    def __str__(self) -> str:
        return f"{self.kind} {self.digits}"


def digest_file(path: Path) -> Digests:
    """Read a file once for its size and both digests."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digests(size, sha256.hexdigest(), md5.hexdigest())
