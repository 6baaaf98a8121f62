"""Local copies of the files of a place, and the version of the object each was copied from.

For each copy a note keeps the version of the object (its ETag), so that nothing is transferred
twice. The cache is the folder that the environment variable VLPROMPT_CACHE names, by default
~/.cache/vlprompt.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import unfinished_prefix
from vlprompt_pipeline.filesystem.home import at_home

CACHE = "VLPROMPT_CACHE"
_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime")
_AT_ONCE = 500  # files that are asked for together
_FULL = (errno.ENOSPC, errno.EDQUOT)


def copies_folder() -> Path:
    """Return the folder of all local copies."""
    return _folder(os.environ.get(CACHE, "")) / "places"


def notes_folder() -> Path:
    """Return the folder of the notes, laid out as that of the copies."""
    return _folder(os.environ.get(CACHE, "")) / "versions"


def note_of(path: Path) -> Path:
    """Return the path of the note on a local copy."""
    inside = path.relative_to(copies_folder())
    return notes_folder() / inside.with_name(f"{inside.name}.version")


def download(files: Any, copies: dict[str, Path], infos: dict[str, Any]) -> None:
    """Download files beside their copies, which they replace when they are whole.

    Args:
        files: fsspec's file system of the place.
        copies: path of the copy by URL.
        infos: what the place says of the object by URL.

    Raises:
        UserError: the cache cannot be written to, or its disk is full.
    """
    urls = sorted(copies)
    for start in range(0, len(urls), _AT_ONCE):
        block = urls[start : start + _AT_ONCE]
        fresh = [_beside(copies[url]) for url in block]
        try:
            for each in fresh:
                each.parent.mkdir(parents=True, exist_ok=True)
            files.get(block, [str(each) for each in fresh])
            for url, each in zip(block, fresh, strict=True):
                put = infos[url].get("LastModified")
                if put is not None:  # as old as the object: what was made just now is newer
                    os.utime(each, (put.timestamp(), put.timestamp()))
                state = _state(each, infos[url])  # another run may replace the copy just after
                each.replace(copies[url])
                _write_note(copies[url], state)
        except OSError as error:
            if error.filename is None and error.errno not in _FULL:
                raise  # of the place
            raise UserError(
                f"cannot keep copies of {block[0]} and others in {copies_folder()} "
                f"({error.strerror}): make room there, make it writable, or set {CACHE} to "
                "another folder"
            ) from error
        finally:
            for each in fresh:
                with suppress(OSError):
                    each.unlink()


def is_current(path: Path, info: dict[str, Any]) -> bool:
    """Tell whether a local copy is of the version in `info`, and unchanged since its download."""
    try:
        return json.loads(note_of(path).read_text()) == _state(path, info)
    except (OSError, ValueError):
        return False


def keep_version(path: Path, info: dict[str, Any]) -> None:
    """Note the version of the object that a local copy equals."""
    _write_note(path, _state(path, info))


def _write_note(path: Path, state: list[str | float]) -> None:
    note = note_of(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    fresh = note.with_name(f".{uuid4().hex}")
    fresh.write_text(json.dumps(state))
    fresh.replace(note)


def _beside(path: Path) -> Path:
    return path.with_name(f"{unfinished_prefix(path.name)}{uuid4().hex}")


def _state(path: Path, info: dict[str, Any]) -> list[str | float]:
    version = next((info[key] for key in _VERSIONS if info.get(key)), info.get("created"))
    stat = path.stat()
    return [str(version), stat.st_size, stat.st_mtime]


@cache
def _folder(given: str) -> Path:
    return at_home(given or "~/.cache/vlprompt").resolve()
