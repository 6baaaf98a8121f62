"""Unpack a foreign archive into a new folder, completely or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching.containers import open_archive
from vlprompt_pipeline.fetching.disk import require_room
from vlprompt_pipeline.fetching.members import Inspector, Member

_CHUNK = 1 << 20
_LEAST_LIMIT = 64 << 20
# Our choice: photos are packed already, and of the text beside them there is little.
_MOST_RATIO = 20
# Caches of other programs: pickles would run code, the rest is of no use.
_LEFT_OUT_SUFFIXES = (".pkl", ".pickle", ".DS_Store")
_LEFT_OUT_FOLDER = "__MACOSX"


def extract_archive(archive: Path, folder: Path) -> int:
    """Unpack a zip, tar or tar.gz into `folder`, which must not exist yet.

    The whole archive is refused for links, devices, names that leave the folder or that not every
    disk can hold, members that occur twice, and more bytes than pictures unpack to (20 times its
    size, at least 64 MiB). Pickles are left out.

    Args:
        archive: known by its content, not by its name.
        folder: is made, and removed again if the archive is refused.

    Returns:
        The number of files written.

    Raises:
        ArchiveError: the archive is refused; names the member and what is wrong with it.
        FetchError: the disk has no room or cannot be written to.
    """
    size = archive.stat().st_size
    folder.mkdir(parents=True)
    try:
        require_room(folder, size, f"unpacking {archive.name}")
        return _write_members(archive, folder, max(_LEAST_LIMIT, _MOST_RATIO * size))
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise FetchError(f"cannot unpack {archive.name} into {folder}: {reason}") from error
        raise


def _write_members(archive: Path, folder: Path, most_bytes: int) -> int:
    files = 0
    inspector = Inspector(archive.name, most_bytes)
    with open_archive(archive, folder, most_bytes) as members:
        for member in members:
            path = inspector.admit(member)
            if _is_left_out(path):
                continue
            if member.kind == "folder":
                (folder / path).mkdir(parents=True, exist_ok=True)
                continue
            (folder / path.parent).mkdir(parents=True, exist_ok=True)
            _write_file(member, folder / path, inspector)
            files += 1
    return files


def _write_file(member: Member, path: Path, inspector: Inspector) -> None:
    with member.open() as source, path.open("xb") as target:
        shutil.copyfileobj(source, target, _CHUNK)  # no more than it says: both libraries end there
        if target.tell() != member.size:
            raise inspector.refuse(member, f"has not the {member.size:,} bytes it says")


def _is_left_out(path: PurePosixPath) -> bool:
    return path.name.endswith(_LEFT_OUT_SUFFIXES) or _LEFT_OUT_FOLDER in path.parts
