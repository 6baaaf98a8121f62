"""A manifest beside each stored file: its size, its SHA-256, and what it was made from.

The manifest of `folder/name` is `folder/.manifests/name.manifest`, JSON. A reader compares the file
with it first, so that a flipped bit, a shorter copy or the file of another run is refused. The same
content has the same manifest: it has no times and no absolute paths.

A file may be made from another one, its source, as the packed prompt is from the trained one. The
manifest has the SHA-256 of the source, so that what was made from an earlier one is refused.

All of this holds for a file in a place (module `places`), too: its local copy is checked and read,
and file and manifest are uploaded when they are whole.

A process can be killed between any two steps. While a file is replaced its manifest describes both
the old and the new content, so that either is accepted; what is described stays until a write ends.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import atomic_write, sha256_file
from vlprompt_pipeline.filesystem.places import is_there, publish, withdraw

logger = logging.getLogger(__name__)

RUN_AGAIN = "run the pipeline that writes it again, or kedro run as a whole"
FOLDER, SUFFIX = ".manifests", ".manifest"
_NAMED = 3  # files of a layer without a manifest that are named
_undescribed: Counter[str] = Counter()
_LAYER = re.compile(r"0[1-8]_[a-z_]+")


class ChangedFileError(UserError):
    """A stored file is not the one that was written, or was made from something else."""


@dataclass(frozen=True)
class Manifest:
    """What a file is: bytes, SHA-256 in hex, and the key of what it was made from.

    `source_sha256` is that of its source, empty if it has none.
    """

    size: int
    sha256: str
    made_from: str
    source_sha256: str = ""

    @classmethod
    def of(cls, path: Path, made_from: str, source: Path | None = None) -> Manifest:
        """Return the manifest of the file as it is now."""
        return cls(path.stat().st_size, sha256_file(path), made_from, _source_sha256(source))


def manifest_path(path: Path) -> Path:
    """Return the path of a file's manifest."""
    return path.parent / FOLDER / f"{path.name}{SUFFIX}"


def layer_path(path: Path) -> str:
    """Return a file's path from its layer's folder on, `06_models/…`.

    It is the same in a copied project. Runs that compute different things have different paths, so
    it serves as the key `made_from` of files that have no other key.
    """
    parts = path.parts
    layers = [number for number, part in enumerate(parts) if _LAYER.fullmatch(part)]
    return "/".join(parts[layers[-1] :]) if layers else path.name


@contextmanager
def described_write(path: Path, made_from: str, source: Path | None = None) -> Iterator[Path]:
    """Write a file as `files.atomic_write` does, and its manifest.

    Raises:
        UserError: the folder cannot be created or written to, or the disk is full.
    """
    with atomic_write(path) as temporary:
        yield temporary
        latest = Manifest.of(temporary, made_from, source)
        earlier = [each for each in _read(path) or () if each != latest]
        write_manifest(path, latest, *earlier)
    publish(path)
    if earlier:
        write_manifest(path, latest)


def remove_described(path: Path) -> None:
    """Remove a file and its manifest."""
    withdraw(path)
    withdraw(manifest_path(path))


def has_manifest(path: Path) -> bool:
    """Tell whether the file has a manifest; files from before manifests existed have none."""
    return is_there(manifest_path(path))


def described_as(path: Path) -> tuple[str, ...]:
    """Return the SHA-256 in the manifest of a file; there are several while it is replaced."""
    return tuple(each.sha256 for each in _read(path) or ())


def find_fault(path: Path, made_from: str, source: Path | None = None) -> str:
    """Say why a file is not what was written there from `made_from` and `source`; empty if it is.

    The text continues a sentence that begins with the file, for instance "is gone".
    """
    if not is_there(path):
        return "is gone"
    described = _read(path)
    if described is None:
        return f"has {'a broken' if has_manifest(path) else 'no'} manifest"
    if path.stat().st_size not in {each.size for each in described}:
        return f"has not the {described[0].size:,} bytes that were written"
    sha256 = sha256_file(path)
    same = [each for each in described if each.sha256 == sha256]
    if not same:
        return "has been changed since it was written"
    return _other_origin(same, made_from, source)


def _other_origin(described: list[Manifest], made_from: str, source: Path | None) -> str:
    described = [each for each in described if each.made_from == made_from]
    if not described:
        return "was made from something else: it is of another run"
    if source and _source_sha256(source) not in {each.source_sha256 for each in described}:
        return f"was made from another {source.name} than there is now"
    return ""


def may_be_made_from(path: Path, made_from: str) -> bool:
    """Tell whether a file was made from this, by its manifest; true if it has none to tell."""
    described = _read(path)
    return described is None or made_from in {each.made_from for each in described}


def require_described(
    path: Path, made_from: str, remedy: str, source: Path | None = None, *, shared: bool = False
) -> None:
    """Refuse a file that is not what was written there.

    A file that may be older than manifests only causes a warning. It has no manifest and stands in
    a folder without any, or in one that several runs fill (`shared`), such as that of the records.

    Raises:
        ChangedFileError: it names the file, what is wrong and the remedy.
    """
    may_be_older = shared or not (path.parent / FOLDER).is_dir()
    if may_be_older and is_there(path) and not has_manifest(path):
        _warn_once(path, remedy)
        return
    if fault := find_fault(path, made_from, source):
        raise ChangedFileError(f"{path} {fault}; {remedy}")


@cache
def _warn_once(path: Path, remedy: str) -> None:
    """Warn of the first files of a layer, then once that there are more: they may be hundreds."""
    layer = layer_path(path).partition("/")[0]
    _undescribed[layer] += 1
    if _undescribed[layer] > _NAMED:
        if _undescribed[layer] == _NAMED + 1:
            logger.warning("more files of %s have no manifest and are read unchecked", layer)
        return
    logger.warning(
        "%s has no manifest (it was made before there were any, or somebody removed it): its "
        "content cannot be checked; %s",
        path,
        remedy,
    )


def _source_sha256(source: Path | None) -> str:
    return sha256_file(source) if source and is_there(source) else ""


def _read(path: Path) -> list[Manifest] | None:
    """Return what the manifest describes, latest first; None if there is none or it is broken."""
    try:
        if not is_there(manifest_path(path)):
            return None
        stored = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        return [Manifest(**each) for each in (stored["latest"], *stored["earlier"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_manifest(path: Path, latest: Manifest, *earlier: Manifest) -> None:
    """Replace the manifest, which unlike results need not be on the disk at once."""
    content = {"latest": asdict(latest), "earlier": [asdict(each) for each in earlier]}
    target = manifest_path(path)
    with atomic_write(target, durable=False) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    publish(target)
