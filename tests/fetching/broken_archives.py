"""Archives that must be refused, each made in memory, by what is wrong with them."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

PHOTO = random.Random(0).randbytes(5000)  # as incompressible as a JPEG


class Broken(NamedTuple):
    """An archive, and a piece of the sentence that refuses it."""

    name: str
    content: bytes
    says: str


def make_zip(*members: tuple[str | zipfile.ZipInfo, bytes], packed: bool = False) -> bytes:
    """A zip of these members; names are taken as they are."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            info = name
            if isinstance(name, str):
                info = zipfile.ZipInfo(name)
                info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()


def make_tar(
    *members: tuple[str | tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar of these members; names are taken as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = info.size or len(content)
            archive.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def make_tgz(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """The same, compressed."""
    return gzip.compress(make_tar(*members), mtime=0)


MAKERS: dict[str, Callable[..., bytes]] = {"zip": make_zip, "tar": make_tar, "tgz": make_tgz}
WHOLE = [("dtd/images/a.jpg", PHOTO), ("dtd/images/b.jpg", PHOTO), ("dtd/split.json", b"{}")]

NAMES = {  # what is wrong: the name, what is said
    "climbs": ("../evil.jpg", "leaves the folder"),
    "climbs in the middle": ("dtd/../../evil.jpg", "leaves the folder"),
    "climbs and comes back": ("dtd/../dtd/c.jpg", "leaves the folder"),
    "climbs at the end": ("dtd/..", "leaves the folder"),
    "climbs far": ("../" * 40 + "tmp/evil.jpg", "leaves the folder"),
    "is absolute": ("/tmp/evil.jpg", "has an absolute path"),
    "is absolute twice": ("//tmp/evil.jpg", "has an absolute path"),
    "has a drive": ("C:/evil.jpg", "has an absolute path"),
    "climbs with backslashes": ("..\\evil.jpg", "has a backslash"),
    "is absolute with backslashes": ("\\\\host\\evil.jpg", "has a backslash"),
    "has a newline": ("dtd/a\nb.jpg", "has control characters"),
    "has a return": ("dtd/a\rb.jpg", "has control characters"),
    "has a bell": ("dtd/a\x07.jpg", "has control characters"),
    "has an escape sequence": ("dtd/\x1b[2J.jpg", "has control characters"),
    "has a deletion": ("dtd/a\x7f.jpg", "has control characters"),
    "writes from right to left": ("dtd/\u202egpj.exe", "has control characters"),
    "has an empty part": ("dtd//c.jpg", "has an empty part"),
    "has a dot part": ("dtd/./c.jpg", "has an empty part"),
    "is too long": (f"dtd/{'x' * 256}.jpg", "has more than 255 bytes"),
    "is there twice": ("dtd/images/a.jpg", "is there twice"),
    "differs in case": ("dtd/images/A.JPG", "in upper and lower case or the"),
    "is in a folder that differs in case": ("DTD/images/c.jpg", "in upper and lower case or the"),
    "is a file under a file": ("dtd/images/a.jpg/c.jpg", "is both a file and a folder"),
    "is a file in place of a folder": ("dtd/images", "is both a file and a folder"),
}
LINK_TARGETS = ["/etc/passwd", "../../evil", "a.jpg", "/", "."]


def broken_archives() -> Iterator[Broken]:
    """All of them."""
    yield from bad_names()
    yield from links_and_devices()
    yield from bombs()
    yield from cut_and_spoilt()
    yield from of_another_kind()
    yield from zips_alone()


def bad_names() -> Iterator[Broken]:
    for (kind, make), (wrong, (name, says)) in itertools.product(MAKERS.items(), NAMES.items()):
        yield Broken(f"a name {wrong}.{kind}", make(*WHOLE, (name, PHOTO)), says)
    for encoding, name in {"latin-1": b"dtd/caf\xe9.jpg", "shift-jis": b"dtd/\x83\x5f.jpg"}.items():
        as_text = name.decode("utf-8", "surrogateescape")
        for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
            content = make_tar((as_text, PHOTO), form=form)
            yield Broken(f"a name in {encoding} {form}.tar", content, "is not UTF-8")
        stand_in = "dtd/" + "q" * (len(name) - 4)
        content = make_zip((stand_in, PHOTO)).replace(stand_in.encode(), name)
        yield Broken(f"a name in {encoding}.zip", content, "is not UTF-8")
    content = make_zip(("dtd/a.jpgQ.exe", PHOTO)).replace(b"a.jpgQ.exe", b"a.jpg\0.exe")
    yield Broken("a name with a zero byte.zip", content, "has control characters")


def links_and_devices() -> Iterator[Broken]:
    for kind, make in (("tar", make_tar), ("tgz", make_tgz)):
        for target in LINK_TARGETS:
            for link, word in ((tarfile.SYMTYPE, "symbolic"), (tarfile.LNKTYPE, "hard")):
                info = tarfile.TarInfo("dtd/images/c.jpg")
                info.type, info.linkname = link, target
                name = f"a {word} link to {target.replace('/', '_')}.{kind}"
                yield Broken(name, make(*WHOLE, (info, b"")), f"is a {word} link")
        for device, says in (
            (tarfile.CHRTYPE, "is a device"),
            (tarfile.BLKTYPE, "is a device"),
            (tarfile.FIFOTYPE, "is a pipe"),
            (b"Z", "of a kind unknown"),
        ):
            info = tarfile.TarInfo("dtd/images/c.jpg")
            info.type = device
            content = make(*WHOLE, (info, b""))
            yield Broken(f"a special file {device.decode()}.{kind}", content, says)
    folder = tarfile.TarInfo("dtd")
    folder.type, folder.linkname = tarfile.SYMTYPE, "/tmp"
    yield Broken("files through a link.tar", make_tar((folder, b""), *WHOLE), "is a symbolic link")
    for target in LINK_TARGETS:
        info = zipfile.ZipInfo("dtd/images/c.jpg")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        name = f"a symbolic link to {target.replace('/', '_')}.zip"
        yield Broken(name, make_zip(*WHOLE, (info, target.encode())), "is a symbolic link")
    for mode in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        info = zipfile.ZipInfo("dtd/images/c.jpg")
        info.create_system, info.external_attr = 3, (mode | 0o666) << 16
        yield Broken(
            f"a special file {mode:o}.zip", make_zip((info, b"")), "only files and folders"
        )


def bombs() -> Iterator[Broken]:
    zeros = bytes(3_000_000)
    too_much = "unpack to more than 2,000,000 bytes"
    yield Broken("a bomb.zip", make_zip(("dtd/a.jpg", zeros), packed=True), too_much)
    yield Broken("a bomb.tgz", make_tgz(("dtd/a.jpg", zeros)), too_much)
    many = [(f"dtd/{number}.jpg", bytes(300_000)) for number in range(10)]
    yield Broken("a bomb of many files.zip", make_zip(*many, packed=True), too_much)
    yield Broken("a bomb of many files.tgz", make_tgz(*many), too_much)
    huge = tarfile.TarInfo("dtd/a.jpg")
    huge.size = 8 << 40
    header = huge.tobuf(tarfile.GNU_FORMAT)
    yield Broken("a promise of terabytes.tar", header + bytes(10240), too_much)
    negative = bytearray(huge.tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12  # base 256: minus one
    yield Broken("a negative size.tar", _summed(negative) + bytes(10240), "has a negative size")
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1 << 31
    content = gzip.compress(name.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20), mtime=0)
    yield Broken("a name of gigabytes.tgz", content, "a header of 2,147,483,648 bytes")
    sparse = tarfile.TarInfo("dtd/a.jpg")
    sparse.type = tarfile.GNUTYPE_SPARSE
    yield Broken("a sparse file.tar", sparse.tobuf(tarfile.GNU_FORMAT) + bytes(10240), "sparse")
    pax = tarfile.TarInfo("dtd/a.jpg")
    pax.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    yield Broken("a sparse file by its header.tar", make_tar((pax, b"0\n" + PHOTO)), "sparse")
    small = make_zip(("dtd/a.jpg", zeros), packed=True)
    understated = small.replace(struct.pack("<I", len(zeros)), struct.pack("<I", 1000))
    yield Broken("a bomb that calls itself small.zip", understated, "it is broken")


def cut_and_spoilt() -> Iterator[Broken]:
    for kind, make in MAKERS.items():
        whole = make(*WHOLE).rstrip(b"\0")  # a tar is filled up with zeros
        for percent in (1, 10, 30, 50, 70, 90, 97):
            cut = whole[: len(whole) * percent // 100]
            yield Broken(f"cut at {percent} percent.{kind}", cut, "")
    tar = make_tar(*WHOLE)
    end = tarfile.BLOCKSIZE * (3 + 2 * 10 + 1)  # three headers, two photos, one text
    yield Broken("cut between two members.tar", tar[: end - 2 * 512], "before its end mark")
    yield Broken("without an end mark.tar", tar[:end], "before its end mark")
    spoilt = bytearray(tar)
    spoilt[11 * 512 + 148 : 11 * 512 + 156] = b"9999999\0"  # the sum of the second header
    yield Broken("a spoilt header.tar", bytes(spoilt), "before its end mark")
    yield Broken("no end of the gzip.tgz", make_tgz(*WHOLE)[:-8], "it is broken")
    spoilt = bytearray(make_tgz(*WHOLE))
    spoilt[-8:-4] = b"\0\0\0\0"
    yield Broken("a spoilt gzip sum.tgz", bytes(spoilt), "it is broken")
    spoilt = bytearray(make_tgz(*WHOLE))
    spoilt[200] ^= 0xFF
    yield Broken("a spoilt byte.tgz", bytes(spoilt), "it is broken")
    spoilt = bytearray(make_zip(*WHOLE))
    spoilt[200] ^= 0xFF
    yield Broken("a spoilt byte.zip", bytes(spoilt), "it is broken")
    yield Broken("a spoilt packed byte.zip", _spoilt_in(make_zip(*WHOLE, packed=True), 100), "")


def of_another_kind() -> Iterator[Broken]:
    says = "it is neither zip nor tar"
    page = b"<!DOCTYPE html><title>Log in</title>" * 30
    for name, content in {
        "a web page.zip": page,
        "a photo.zip": b"\xff\xd8\xff\xe0" + PHOTO,
        "a 7-zip.zip": b"7z\xbc\xaf\x27\x1c" + PHOTO,
        "a rar.tar": b"Rar!\x1a\x07\x00" + PHOTO,
        "an LFS pointer.zip": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "zeros.tar": bytes(10240),
        "noise.tgz": PHOTO,
    }.items():
        yield Broken(name, content, says)
    yield Broken("nothing.zip", b"", f"{says}, it is empty")
    yield Broken("gzip of a web page.tgz", gzip.compress(page), "")
    yield Broken("gzip of nothing.tgz", gzip.compress(b""), "")
    yield Broken("only the first letters.zip", b"PK", "it is broken")
    yield Broken("only the first letters.tgz", b"\x1f\x8b", "it is broken")


def zips_alone() -> Iterator[Broken]:
    locked = bytearray(make_zip(("dtd/a.jpg", PHOTO)))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    yield Broken("a locked member.zip", bytes(locked), "is encrypted")
    for method in (12, 14, 99):
        other = bytearray(make_zip(("dtd/a.jpg", PHOTO)))
        other[8] = method
        other[other.index(b"PK\x01\x02") + 10] = method
        yield Broken(f"packed by method {method}.zip", bytes(other), f"by method {method}")
    two_names = make_zip(("dtd/a.jpg", PHOTO)).replace(b"dtd/a.jpg", b"dtd/b.jpg", 1)
    yield Broken("two names for one member.zip", two_names, "it is broken")
    longer = make_zip(("dtd/a.jpg", PHOTO)).replace(
        struct.pack("<II", 5000, 5000), struct.pack("<II", 5000, 6000)
    )
    yield Broken("a member shorter than it says.zip", longer, "has not the 6,000 bytes")
    folder_with_text = make_zip(*WHOLE, ("dtd/images/a.jpg/", b""))
    yield Broken("a folder in place of a file.zip", folder_with_text, "both a file and a folder")


def _spoilt_in(content: bytes, place: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[place : place + 40] = bytes(40)
    return bytes(spoilt)


def _summed(header: bytearray) -> bytes:
    """A tar header with its checksum set right."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
