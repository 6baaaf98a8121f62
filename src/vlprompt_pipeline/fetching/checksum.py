"""Checksums of files, to be compared with published ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.image_datasets import Checksum

_CHUNK = 1 << 20


class Digests(NamedTuple):
    """Size and digests of a file."""

    size: int
    sha256: str
    md5: str

    def like(self, published: Checksum) -> Checksum:
        """Return the file's checksum of the same kind as a published one."""
        return Checksum(published.kind, getattr(self, published.kind))

    def fit(self, published: Checksum) -> bool:
        """Tell whether the file is the published one."""
        return self.like(published) == published


def digest_file(path: Path) -> Digests:
    """Read a file once for its size and both digests."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digests(size, sha256.hexdigest(), md5.hexdigest())
