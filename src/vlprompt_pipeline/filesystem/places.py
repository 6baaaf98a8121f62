"""Places that are no folder of this machine, `s3://bucket/prefix` or whatever fsspec can reach.

Every file of a place has a local copy, at a path that tells which file it is of:
`<cache>/places/s3/bucket/prefix/…`. All code works on local copies. `is_there` and `bring` make
them what the place has, `publish` uploads a finished one as a whole object. A path that is no local
copy is left as it is by all of them.

A run that holds the locks of what it reads and writes says so by `trust`: what was found current
from then on is not asked for again until `distrust`, which saves most requests.

Beside each copy a note keeps the version of the object (its ETag), so that nothing is transferred
twice. The folder of the cache is that of the environment variable VLPROMPT_CACHE, or
~/.cache/vlprompt.
"""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from vlprompt_pipeline.errors import PlaceError
from vlprompt_pipeline.filesystem.files import unfinished_prefix
from vlprompt_pipeline.filesystem.objects import asking, listed, modified, remove

CACHE = "VLPROMPT_CACHE"
_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime")
_AT_ONCE = 500  # files that are asked for together
_ONE_PUT = 50_000_000  # bytes; a larger file is uploaded in parts
# URLs of copies that were found current under locks; none while none are held. State of the
# process, as the locks are.
_trusted: set[str] | None = None


def trust() -> None:
    """Begin anew to keep which copies are current: others cannot change them, by the locks."""
    global _trusted  # noqa: PLW0603
    _trusted = set()


def distrust() -> None:
    """Ask for each file each time: the locks are gone."""
    global _trusted  # noqa: PLW0603
    _trusted = None


def is_url(location: str | Path) -> bool:
    """Tell whether a location is a place, not a path of this machine."""
    return "://" in str(location)


def local(location: str | Path) -> Path:
    """Return where the local copy of a place or of a file in it is; another path as it is.

    Raises:
        PlaceError: the copy would lie outside of the cache.
    """
    if not is_url(location):
        return Path(location)
    protocol, _, key = str(location).partition("://")
    if ".." in key.split("/"):  # which is a name like any other in a bucket
        raise PlaceError(
            f"{location} has the part '..', which leads out of the local cache: rename it"
        )
    return _copies() / protocol / key.strip("/")


def url_of(path: Path) -> str:
    """Return what a path is the local copy of; empty if it is none."""
    copies = f"{_copies()}{os.sep}"
    if not str(path).startswith(copies):
        return ""
    protocol, _, key = str(path)[len(copies) :].replace(os.sep, "/").partition("/")
    return f"{protocol}://{key}"


def is_there(path: Path) -> bool:
    """Tell whether a file is there; the local copy of one in a place becomes what the place has.

    Raises:
        PlaceError: the place does not answer.
    """
    if not (url := url_of(path)):
        return path.is_file()
    if url in (_trusted or ()) and path.is_file():
        return True
    with asking(url) as files:
        try:
            info = files.info(url)
        except FileNotFoundError:
            info = {"type": "nothing"}
        if info["type"] != "file":
            _forget(path)
            return False
        if not _is_current(path, info):
            download(files, {url: path}, {url: info})
    _found_current(url)
    return True


def exists(path: Path) -> bool:
    """Tell whether a file is there, or in its place; nothing is brought.

    Raises:
        PlaceError: the place does not answer.
    """
    url = url_of(path)
    return modified(url) is not None if url else path.is_file()


def bring(folder: Path, *endings: str) -> None:
    """Make the local copy of a folder what the place has; nothing to do for another folder.

    Args:
        folder: with all that is below it.
        endings: only files whose path ends like this.

    Raises:
        PlaceError: the place does not answer.
    """
    if not (url := url_of(folder)):
        return
    found = {
        key: info
        for key, info in listed(url).items()
        if key.endswith(endings or "") and not key.endswith("/")  # what consoles put for a folder
    }
    paths = {key: local(key) for key in found}
    changed = {key: path for key, path in paths.items() if not _is_current(path, found[key])}
    with asking(url) as files:
        download(files, changed, found)
    present = set(paths.values())
    for note in _note(folder).with_name(folder.name).rglob("*.version"):
        path = _copies() / note.relative_to(_notes()).with_suffix("")
        if path not in present and str(path).endswith(endings or ""):
            _forget(path)


def publish(path: Path) -> None:
    """Upload a finished file whose path is a local copy, as one object that is whole or absent.

    Raises:
        PlaceError: the place does not take it.
    """
    if not (url := url_of(path)):
        return
    with asking(url) as files:
        answer = None
        if path.stat().st_size < _ONE_PUT:
            answer = files.pipe_file(url, path.read_bytes())
        else:
            files.put_file(str(path), url)
        _keep_version(path, answer if isinstance(answer, dict) else files.info(url))
    _found_current(url)


def publish_folder(folder: Path) -> None:
    """Upload all files of a folder whose path is a local copy; what was there before goes."""
    if not (url := url_of(folder)):
        return
    whole = (path for path in folder.rglob("*") if not path.name.startswith("."))
    finished = sorted(path for path in whole if path.is_file())
    for path in finished:
        publish(path)
    remove(*(key for key in listed(url) if local(key) not in finished))


def withdraw_folder(folder: Path) -> None:
    """Remove a folder with all files in it, and from its place too."""
    if url := url_of(folder):
        remove(*listed(url))
    shutil.rmtree(folder, ignore_errors=True)


def withdraw(path: Path) -> None:
    """Remove a file, and from its place too."""
    if url := url_of(path):
        remove(url)
        _forget(path)
    path.unlink(missing_ok=True)


def download(files: Any, wanted: dict[str, Path], found: dict[str, Any]) -> None:
    """Fetch files beside their copies, and put them in place when they are whole."""
    urls = sorted(wanted)
    for start in range(0, len(urls), _AT_ONCE):
        block = urls[start : start + _AT_ONCE]
        fresh = []
        for url in block:
            path = wanted[url]
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.append(path.with_name(f"{unfinished_prefix(path.name)}{uuid4().hex}"))
        try:
            files.get(block, [str(each) for each in fresh])
            for url, each in zip(block, fresh, strict=True):
                put = found[url].get("LastModified")
                if put is not None:  # as old as the object: what was made just now is newer
                    os.utime(each, (put.timestamp(), put.timestamp()))
                each.replace(wanted[url])
                _keep_version(wanted[url], found[url])
        finally:
            for each in fresh:
                each.unlink(missing_ok=True)


def _is_current(path: Path, info: dict[str, Any]) -> bool:
    try:
        stat = path.stat()
        return json.loads(_note(path).read_text()) == [_version(info), stat.st_size, stat.st_mtime]
    except (OSError, ValueError):
        return False


def _keep_version(path: Path, info: dict[str, Any]) -> None:
    stat, note = path.stat(), _note(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    fresh = note.with_name(f".{uuid4().hex}")
    fresh.write_text(json.dumps([_version(info), stat.st_size, stat.st_mtime]))
    fresh.replace(note)


def _version(info: dict[str, Any]) -> str:
    return next((str(info[key]) for key in _VERSIONS if info.get(key)), str(info.get("created")))


def _found_current(url: str) -> None:
    if _trusted is not None:
        _trusted.add(url)


def _forget(path: Path) -> None:
    if _trusted is not None:
        _trusted.discard(url_of(path))
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    inside = path.relative_to(_copies())
    return _notes() / inside.with_name(f"{inside.name}.version")


def _copies() -> Path:
    return _folder(os.environ.get(CACHE, "")) / "places"


def _notes() -> Path:
    return _folder(os.environ.get(CACHE, "")) / "versions"


@cache
def _folder(given: str) -> Path:
    return Path(given or "~/.cache/vlprompt").expanduser().resolve()
