"""What an archive may hold: plain files and folders, under names that stay in their folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from vlprompt_pipeline.errors import ArchiveError

_MOST_MEMBERS = 2_000_000
_LONGEST_PART = 255
_SHOWN = 80


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: as the archive spells it.
        size: bytes it unpacks to, as the archive says.
        kind: `file`, `folder`, or what else it is, in words.
        open: gives its bytes.
    """

    name: str
    size: int
    kind: str
    open: Callable[[], BinaryIO]


class Inspector:
    """Admits the members of one archive, one after the other, or refuses the archive.

    Args:
        archive: its name, for messages.
        most_bytes: how much all members may unpack to.
    """

    def __init__(self, archive: str, most_bytes: int) -> None:
        self._archive, self._most_bytes = archive, most_bytes
        self._bytes, self._members = 0, 0
        self._kinds: dict[str, str] = {}  # of each path that is taken
        self._spelled: dict[str, str] = {}  # as it stands on a disk that ignores case

    def admit(self, member: Member) -> PurePosixPath:
        """Return the relative path of a harmless member.

        Raises:
            ArchiveError: the member is not harmless; names it and says why.
        """
        path = self._path(member)
        self._count(member)
        for parent in path.parents[-2::-1]:
            self._take(member, parent.as_posix(), "folder")
        if path.parts:
            self._take(member, path.as_posix(), member.kind)
        return path

    def refuse(self, member: Member, reason: str) -> ArchiveError:
        """Return the error for a member that may not be unpacked."""
        name = member.name if len(member.name) <= _SHOWN else f"{member.name[:_SHOWN]}..."
        return refused(self._archive, f"its member {name!r} {reason}")

    def _path(self, member: Member) -> PurePosixPath:
        name = member.name
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise self.refuse(member, "has a name that is not UTF-8") from None
        parts = name.removeprefix("./").rstrip("/").split("/")
        is_root = parts in ([""], ["."]) and member.kind == "folder"  # as tar likes to name it
        wrong = {
            "has control characters in its name": not name.isprintable(),
            "has a backslash in its name": "\\" in name,
            "has an absolute path": name.startswith("/") or name[1:2] == ":",
            f"is {member.kind}, and only files and folders are unpacked": (
                member.kind not in ("file", "folder")
            ),
            "leaves the folder it is unpacked into": ".." in parts,
            "has an empty part in its path": not is_root and bool({"", "."} & set(parts)),
            f"has more than {_LONGEST_PART} bytes in a part of its name": any(
                len(part.encode()) > _LONGEST_PART for part in parts
            ),
        }
        for reason, is_wrong in wrong.items():
            if is_wrong:
                raise self.refuse(member, reason)
        return PurePosixPath(*parts)

    def _count(self, member: Member) -> None:
        self._members += 1
        self._bytes += member.size
        if member.size < 0:
            raise self.refuse(member, "has a negative size")
        if self._bytes > self._most_bytes:
            raise self.refuse(
                member,
                f"makes it unpack to more than {self._most_bytes:,} bytes, which pictures do not",
            )
        if self._members > _MOST_MEMBERS:
            raise self.refuse(member, f"is one of more than {_MOST_MEMBERS:,}")

    def _take(self, member: Member, path: str, kind: str) -> None:
        earlier_kind = self._kinds.get(path)
        if earlier_kind == kind == "folder":
            return
        if earlier_kind is not None:
            raise self.refuse(
                member, "is there twice" if earlier_kind == kind else "is both a file and a folder"
            )
        folded = unicodedata.normalize("NFC", path).casefold()
        other = self._spelled.setdefault(folded, path)
        if other != path:
            raise self.refuse(
                member,
                f"differs from {other!r} in upper and lower case or the encoding of accents alone",
            )
        self._kinds[path] = kind


def refused(archive: str, reason: str) -> ArchiveError:
    """Return the error for an archive that may not be unpacked."""
    return ArchiveError(f"archive {archive} is refused: {reason}; nothing of it was unpacked")
