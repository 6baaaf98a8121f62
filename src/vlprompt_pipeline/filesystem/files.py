"""Files that are either whole or absent, and their fingerprints.

Until it is whole a file has a hidden name that tells which process writes it. A killed process
leaves it behind; `remove_unfinished` removes those whose writer is gone, and no other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.processes import Process, is_left_behind

_UMASK = os.umask(0)  # asked once: it can only be asked by changing it, which threads must not do
os.umask(_UMASK)
_UNFINISHED = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-(?P<number>\d+)-(?P<started>\d+)\.[^.]+")


@contextmanager
def atomic_write(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` on success and is removed on failure.

    Args:
        path: the file.
        durable: have it on the disk before it has its name, so that it outlives a loss of power.

    Raises:
        UserError: the folder cannot be created or written to, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=unfinished_prefix(target.name), dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # as of a new file; tempfile and safetensors give less
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, is_ours: Callable[[Path], bool], kind: str) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` on success and is removed on failure.

    Args:
        path: absent, an empty folder, or a folder of the same kind, which is replaced. If it is a
            link, the folder it leads to is replaced.
        is_ours: says whether a folder is of the kind.
        kind: what such a folder holds, for the message.

    Raises:
        UserError: something else is there, or the folder cannot be replaced or written.
    """
    target = Path(path).resolve()
    is_free = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    if not is_free and not is_ours(target):
        raise UserError(f"{target} holds something else than {kind}: name a new folder")
    if Path.cwd().is_relative_to(target) or target.is_mount() or (target / ".git").exists():
        raise UserError(
            f"{target} cannot be replaced as a whole, since the working folder is in it, a disk is "
            "mounted there or it is a clone of git: name a folder below it"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=unfinished_prefix(target.name), dir=target.parent, ignore_cleanup_errors=True
        ) as beside:
            new, old = Path(beside, "new"), Path(beside, "old")
            new.mkdir()
            yield new
            if target.exists():
                target.replace(old)
            new.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def unfinished_prefix(name: str, writer: Process | None = None) -> str:
    """Return the prefix of hidden names under which a process, by default this one, writes."""
    host, number, started = writer or _this_process(os.getpid())
    return f".{name}.{_short(host)}-{number}-{started:.0f}."


def remove_unfinished(paths: Iterable[Path]) -> list[Path]:
    """Remove those of the files and folders whose process ended without finishing them.

    A process of another machine counts as ended a day after it last changed the file.

    Returns:
        The paths that were removed.
    """
    removed = []
    for path in paths:
        named = _UNFINISHED.fullmatch(path.name)
        if named and _is_unfinished(path, **named.groupdict()):
            with suppress(OSError):  # another run removes it just now, or it is another user's
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    return removed


def sha256_file(path: str | Path) -> str:
    """Return SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(values: Any) -> str:
    """Return SHA-256 of plain values, in hex; mappings are equal in any order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def write_hashes(folder: Path, name: str) -> None:
    """Write SHA-256 of all files below a folder to a new one in it, as `sha256sum -c` reads it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def read_hashes(file: Path) -> dict[str, str]:
    """Return SHA-256 by relative path, as `write_hashes` wrote them.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@cache
def _this_process(number: int) -> Process:
    """Describe this process; cached by its number, since a fork has another one."""
    return Process.current()


def _is_unfinished(path: Path, host: str, number: str, started: str) -> bool:
    here = Process.current().host
    writer = Process(here if host == _short(here) else host, int(number), float(started))
    try:
        return is_left_behind(writer, path.stat().st_mtime)
    except FileNotFoundError:  # its writer has finished it just now
        return False


def _short(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:8]


def _unwritable(target: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {target}: {error.strerror or error}; make its folder writable or "
        "run from a project folder on a disk with room"
    )
