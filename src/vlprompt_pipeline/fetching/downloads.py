"""The downloaded files of a dataset, and the checksums first seen at their addresses."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching.checksum import Digests, digest_file
from vlprompt_pipeline.fetching.hub import hub_file
from vlprompt_pipeline.fetching.transfer import Remote, download
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.image_datasets import DownloadFile
from vlprompt_pipeline.progress import Progress

_ROOM_PACKED = 2.1  # our choice: the archive and its pictures, which are no smaller unpacked


@dataclass(frozen=True)
class StoredFile:
    """The record of a downloaded file; `compared_with` says what its digest was compared with."""

    url: str
    bytes: int
    sha256: str
    compared_with: str


class LocalFile(NamedTuple):
    """A finished file and its record."""

    path: Path
    stored: StoredFile

    def discard(self) -> None:
        """Delete a broken file and forget its digest, since a new download may be whole."""
        self.path.unlink()
        _note_of(self.path).unlink(missing_ok=True)


def fetch_file(file: DownloadFile, path: Path, progress: Progress) -> LocalFile:
    """Download a file to `path`, unless it is there and whole.

    Of a file without a published checksum, the SHA-256 of the first download is remembered, and a
    different file at the same address is refused later (trust on first use).

    Raises:
        FetchError: it cannot be downloaded, or is not the file published or seen before.
    """
    remote = Remote(file.url, file.checksum) if file.hub is None else hub_file(file.hub, file.url)
    room = _ROOM_PACKED if file.is_archive else 1.0
    digests = _finished_earlier(path, remote) or download(
        remote, path, progress=progress, room_factor=room
    )
    return LocalFile(path, _record(path, remote, digests))


def _finished_earlier(path: Path, remote: Remote) -> Digests | None:
    """Return the digests of a finished file of an earlier run, if it is still the right one."""
    if not path.is_file():
        return None
    digests = digest_file(path)
    if remote.checksum is None:
        is_same = digests.sha256 == _noted_sha256(path, remote)
    else:
        is_same = digests.fit(remote.checksum)
    return digests if is_same else None


def _record(path: Path, remote: Remote, digests: Digests) -> StoredFile:
    """Note the SHA-256, or compare it with the one noted."""
    seen = _noted_sha256(path, remote)
    if remote.checksum is not None:
        compared = f"published {remote.checksum}"
    elif seen is None:
        compared = "nothing: no checksum is published, this one is remembered"
    elif seen == digests.sha256:
        compared = "the SHA-256 seen at the first time"
    else:
        path.unlink()
        raise FetchError(
            f"{remote.url} had sha256 {seen} when it was first fetched and now has "
            f"{digests.sha256}; if you trust the new one, delete {_note_of(path)} and run again"
        )
    with atomic_write(_note_of(path)) as temporary:
        note = {"url": remote.url, "bytes": digests.size, "sha256": digests.sha256}
        temporary.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return StoredFile(remote.url, digests.size, digests.sha256, compared)


def _noted_sha256(path: Path, remote: Remote) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):  # no note, or not one of ours
        note = json.loads(_note_of(path).read_text(encoding="utf-8"))
        return note["sha256"] if note["url"] == remote.url else None
    return None


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seen.json")
