"""Places other than folders of this machine: `s3://bucket/prefix`, or what else fsspec can reach.

Every file of a place has a local copy, and the path of the copy names the file:
`<cache>/places/s3/bucket/prefix/…`. All code works on local copies. `is_there` and `bring` download
what the place has; `publish` uploads a finished copy as a whole object. All of them leave any other
path as it is.

A run that holds the locks on what it reads and writes calls `trust`. A copy that is then found
current is not compared with the place again until `distrust`, which saves most requests.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vlprompt_pipeline.errors import PlaceError
from vlprompt_pipeline.filesystem.copies import (
    copies_folder,
    download,
    is_current,
    keep_version,
    note_of,
    notes_folder,
)
from vlprompt_pipeline.filesystem.objects import file_system, listed, modified, remove

_ONE_PUT = 50_000_000  # bytes; a larger file is uploaded in parts
# URLs of copies that were found current while this process holds locks; None while it holds none
_trusted: set[str] | None = None


def trust() -> None:
    """Remember from now on which copies are current: locks keep other runs from changing them."""
    global _trusted  # noqa: PLW0603
    _trusted = set()


def distrust() -> None:
    """Compare each file with the place each time: the locks are gone."""
    global _trusted  # noqa: PLW0603
    _trusted = None


def is_url(location: str | Path) -> bool:
    """Tell whether a location is a place and not a path of this machine."""
    return "://" in str(location)


def local(location: str | Path) -> Path:
    """Return the path of the local copy of a place or of a file in it; another path as it is.

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
    return copies_folder() / protocol / key.strip("/")


def url_of(path: Path) -> str:
    """Return the URL that a path is the local copy of; empty if it is none."""
    copies = f"{copies_folder()}{os.sep}"
    if not str(path).startswith(copies):
        return ""
    protocol, _, key = str(path)[len(copies) :].replace(os.sep, "/").partition("/")
    return f"{protocol}://{key}"


def is_there(path: Path) -> bool:
    """Tell whether a file is there; one in a place is downloaded where its local copy is older.

    Raises:
        PlaceError: the place does not answer.
    """
    if not (url := url_of(path)):
        return path.is_file()
    if url in (_trusted or ()) and path.is_file():
        return True
    with file_system(url) as files:
        try:
            info = files.info(url)
        except FileNotFoundError:
            info = {"type": "nothing"}
        if info["type"] != "file":
            _forget(path)
            return False
        if not is_current(path, info):
            download(files, {url: path}, {url: info})
    _found_current(url)
    return True


def exists(path: Path) -> bool:
    """Tell whether a file is on disk or, for a local copy, in its place; downloads nothing.

    Raises:
        PlaceError: the place does not answer.
    """
    url = url_of(path)
    return modified(url) is not None if url else path.is_file()


def bring(folder: Path, *endings: str) -> None:
    """Bring the local copy of a folder up to date; does nothing to any other folder.

    Args:
        folder: with all that is below it.
        endings: only files whose path ends like this.

    Raises:
        PlaceError: the place does not answer.
    """
    if not (url := url_of(folder)):
        return
    infos = {
        key: info
        for key, info in listed(url).items()
        if key.endswith(endings or "") and not key.endswith("/")  # as consoles put for folders
    }
    paths = {key: local(key) for key in infos}
    changed = {key: path for key, path in paths.items() if not is_current(path, infos[key])}
    with file_system(url) as files:
        download(files, changed, infos)
    for key in paths:
        _found_current(key)
    present = set(paths.values())
    for note in note_of(folder).with_name(folder.name).rglob("*.version"):
        path = copies_folder() / note.relative_to(notes_folder()).with_suffix("")
        if path not in present and str(path).endswith(endings or ""):
            _forget(path)


def publish(path: Path) -> None:
    """Upload a finished file whose path is a local copy, as one object that is whole or absent.

    Raises:
        PlaceError: the place does not take it.
    """
    if not (url := url_of(path)):
        return
    with file_system(url) as files:
        answer = None
        if path.stat().st_size < _ONE_PUT:
            answer = files.pipe_file(url, path.read_bytes())
        else:
            files.put_file(str(path), url)
        keep_version(path, answer if isinstance(answer, dict) else files.info(url))
    _found_current(url)


def publish_folder(folder: Path) -> None:
    """Upload all files of a folder whose path is a local copy, and remove what was there before."""
    if not (url := url_of(folder)):
        return
    files = {path for path in folder.rglob("*") if path.is_file()}
    for path in sorted(files):
        publish(path)
    remove(*(key for key in listed(url) if local(key) not in files))


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


def _found_current(url: str) -> None:
    if _trusted is not None:
        _trusted.add(url)


def _forget(path: Path) -> None:
    if _trusted is not None:
        _trusted.discard(url_of(path))
    path.unlink(missing_ok=True)
    note_of(path).unlink(missing_ok=True)
