"""A hundred files that are called pictures and are none, or none that can be used."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image


class Fault(NamedTuple):
    """A name, how the file is put there, and whether it counts as missing or as unreadable."""

    name: str
    put: Callable[[Path], object]
    kind: str = "unreadable"


def faults() -> list[Fault]:
    """One hundred of them, each with a name of its own."""
    found = [*_truncated(), *_other_types(), *_garbage(), *_bombs(), *_names(), *_not_files()]
    assert len({fault.name for fault in found}) == len(found) == 100
    return found


def picture(form: str) -> bytes:
    """A noisy picture of 64 x 64 in a format of Pillow."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


def _truncated() -> Iterator[Fault]:
    """Downloads that were cut: 40 files of five formats."""
    for form in ("JPEG", "PNG", "BMP", "TIFF", "WEBP"):
        whole = picture(form)
        for share in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.85, 0.9):
            cut = max(1, int(share * len(whole)))
            yield Fault(f"cut_{form}_{int(100 * share):02}.jpg", _bytes(whole[:cut]))


def _other_types() -> Iterator[Fault]:
    """What a server sends in place of a picture, and other files with its name."""
    contents = {
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "html_login": b"<html><head><title>Sign in</title></head></html>" * 50,
        "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "json": b'{"error": "quota exceeded"}',
        "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
        "text": b"see other side",
        "pdf": b"%PDF-1.4\n%%EOF",
        "zip": b"PK\x05\x06" + bytes(18),
        "gzip": b"\x1f\x8b\x08" + bytes(20),
        "elf": b"\x7fELF" + bytes(60),
        "mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(40),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "script": b"#!/bin/sh\nexit 1\n",
        "mat": b"MATLAB 5.0 MAT-file" + bytes(100),
        "python": b"import os\n",
    }
    for kind, content in contents.items():
        yield Fault(f"type_{kind}.jpg", _bytes(content))


def _garbage() -> Iterator[Fault]:
    """Nothing, zeros, noise, and noise behind the head of a picture."""
    noise = np.random.default_rng(1)
    yield Fault("empty.jpg", _bytes(b""))
    for size in (1, 2, 100, 10_000):
        yield Fault(f"zeros_{size}.jpg", _bytes(bytes(size)))
        yield Fault(f"noise_{size}.jpg", _bytes(noise.bytes(size)))
    heads = (
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\x00",
        b"RIFF\0\0\0\0WEBP",
    )
    for number, head in enumerate(heads):
        yield Fault(f"head_{number}.jpg", _bytes(head + noise.bytes(500)))
        yield Fault(f"head_alone_{number}.jpg", _bytes(head))


def _bombs() -> Iterator[Fault]:
    """Heads that promise far more than there is; a sparse file of a gigabyte."""
    for side in (20_000, 65_000, 2**31 - 1):
        yield Fault(f"bomb_png_{side}.jpg", _bytes(_png_head(side)))
    yield Fault("bomb_bmp.jpg", _bytes(_bmp_head(60_000)))
    jpeg = bytearray(picture("JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65_000, 65_000)
    yield Fault("bomb_jpeg.jpg", _bytes(bytes(jpeg)))
    yield Fault("sparse.jpg", lambda file: (file.touch(), os.truncate(file, (1 << 30) + 1)))


def _png_head(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000)))


def _bmp_head(side: int) -> bytes:
    size = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size


def _names() -> Iterator[Fault]:
    """Names that break reports: each of an empty file."""
    strange = ("{braces}", "100%", "quote'\"", "[red]markup[bold]", "é\u202egpj", " blank ")
    for name in (*strange, "-rf", "$(touch pwned)", "%s%n", "x" * 200):
        yield Fault(f"{name}.jpg", _bytes(b""))


def _not_files() -> Iterator[Fault]:
    yield Fault("folder.jpg", Path.mkdir, "missing")
    yield Fault("dead_link.jpg", lambda file: file.symlink_to("nowhere"), "missing")
    yield Fault("link_to_itself.jpg", lambda file: file.symlink_to(file.name), "missing")
    yield Fault("link_to_folder.jpg", lambda file: file.symlink_to("."), "missing")
    yield Fault("pipe.jpg", os.mkfifo, "missing")
    yield Fault("device.jpg", lambda file: file.symlink_to("/dev/zero"), "missing")
    yield Fault("unreadable_link.jpg", lambda file: file.symlink_to("/proc/self/mem"))
    yield Fault("absent.jpg", lambda file: None, "missing")
