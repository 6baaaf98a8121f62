"""The members of zip, tar and tar.gz files, read with the standard library."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from vlprompt_pipeline.fetching.members import Member, refused

_ZIP_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ZIP_ENCRYPTED, _ZIP_UTF8 = 0x1, 0x800
_LONGEST_HEADER, _MOST_HEADERS = 1 << 24, 1 << 30
_BLOCK = tarfile.BLOCKSIZE
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "folder",
}
_ZIP_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


@contextmanager
def open_archive(path: Path, folder: Path, most_bytes: int) -> Iterator[Iterator[Member]]:
    """Open an archive, known by its first bytes and not by its name.

    Args:
        path: the archive.
        folder: the folder it will be unpacked into.
        most_bytes: how much it may unpack to; headers that promise more are not read.

    Raises:
        ArchiveError: it is no archive, or an unreadable one; reading the members raises it, too.
    """
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        stream.seek(0)
        try:
            if head[:2] == b"PK":
                yield _zip_members(stream)
            elif head[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=stream) as unpacked:
                    yield _tar_members(path.name, unpacked, folder, most_bytes)
            elif head[257:262] == b"ustar":
                yield _tar_members(path.name, stream, folder, most_bytes)
            else:
                begins = f"begins with {head[:16]!r}" if head else "is empty"
                raise refused(path.name, f"it is neither zip nor tar, it {begins}")
        except (
            *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError),
            *(zlib.error, NotImplementedError, RuntimeError, OverflowError),
        ) as error:
            reason = str(error) or type(error).__name__
            raise refused(path.name, f"it is broken ({reason})") from error


def _zip_members(stream: BinaryIO) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            opened = partial(archive.open, info)
            yield Member(_zip_name(info), info.file_size, _zip_kind(info), opened)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the stored name: `filename` ends at a zero byte and reads code page 437."""
    name = info.orig_filename
    if info.flag_bits & _ZIP_UTF8 or name.isascii():
        return name
    return name.encode("cp437").decode("utf-8", "surrogateescape")


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ZIP_ENCRYPTED:
        return "encrypted"
    if info.compress_type not in _ZIP_READABLE:
        return f"packed by method {info.compress_type}"
    mode = stat.S_IFMT(info.external_attr >> 16)
    return _ZIP_KINDS.get(mode, "folder" if info.is_dir() else "file")


def _tar_members(name: str, stream: BinaryIO, folder: Path, most_bytes: int) -> Iterator[Member]:
    watched = _Watched(stream, 2 * most_bytes + _MOST_HEADERS)
    with tarfile.open(fileobj=watched, mode="r:") as archive:
        while (info := archive.next()) is not None:
            archive.members = []  # else it keeps a million of them
            kind = "file" if info.type in tarfile.REGULAR_TYPES else "of a kind unknown to us"
            yield Member(
                info.name,
                info.size,
                "a sparse file" if info.issparse() else _KINDS.get(info.type, kind),
                # the standard library's own opinion of the name, beside ours
                lambda info=info: archive.extractfile(tarfile.data_filter(info, folder)),
            )
        if watched.last != bytes(_BLOCK):  # tarfile takes a cut or broken end for the end
            raise refused(name, "it ends before its end mark")
        while stream.read(1 << 20):  # to the checksum at the end of a gzip
            pass


class _Watched:
    """A stream that remembers its last block and refuses what would fill the memory."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream, self._most_bytes, self.last = stream, most_bytes, b""

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        if self._stream.tell() > self._most_bytes:
            raise tarfile.ReadError(f"more than {self._most_bytes:,} bytes")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, offset: int) -> int:
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()
