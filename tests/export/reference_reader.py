"""A second reader of the packed format, written from docs/packed-format.md in plain Python.

Slow, trusting and without NumPy: it checks that the document and the code say the same.
"""

from __future__ import annotations

import hashlib
import math
import struct


def read(data: bytes) -> dict:
    magic, version, size, checksum, clip, context = struct.unpack("<3sBI8s8s4s", data[:28])
    assert (magic, version, size) == (b"VLP", 1, len(data))
    assert checksum == hashlib.sha256(data[:8] + data[16:]).digest()[:8]
    method, at = _text(data, 28)
    prompt = {
        "method": method,
        "clip": clip.hex(),
        "context": context.hex(),
        "metadata": {},
        "tensors": {},
    }
    while at < size:
        kind = data[at]
        length, at = _varint(data, at + 1)
        body, at = data[at : at + length], at + length
        if kind == 1:
            name, place = _text(body, 0)
            prompt["tensors"][name] = _tensor(body, place)
        elif kind == 2:
            prompt["metadata"] = _metadata(body)
    return prompt


def _tensor(body: bytes, at: int) -> dict:
    dimensions, code = body[at] >> 4, body[at] & 15
    at += 1
    shape = []
    for _ in range(dimensions):
        dimension, at = _varint(body, at)
        shape.append(dimension)
    count = math.prod(shape)
    if code in (0, 9):
        letter, dtype = ("e", "float16") if code == 0 else ("f", "float32")
        return {
            "shape": shape,
            "dtype": dtype,
            "values": list(struct.unpack(f"<{count}{letter}", body[at:])),
        }
    bits, books = code, 1
    if code == 10:
        bits = body[at]
        books, at = _varint(body, at + 1)
    size, end = 2**bits, at + 2 * books * 2**bits
    entries = struct.unpack(f"<{books * size}e", body[at:end])
    codebooks = [list(entries[place : place + size]) for place in range(0, len(entries), size)]
    stream = int.from_bytes(body[end:], "little")
    indices = [stream >> (bits * place) & (size - 1) for place in range(count)]
    return {"shape": shape, "bits": bits, "codebooks": codebooks, "indices": indices}


def _metadata(body: bytes) -> dict[str, str | int]:
    entries: dict[str, str | int] = {}
    at = 0
    while at < len(body):
        key, at = _text(body, at)
        head, at = _varint(body, at)
        if head % 2 == 0:
            entries[key] = body[at : at + head // 2].decode()
            at += head // 2
        else:
            zigzag = (head - 1) // 2
            entries[key] = zigzag // 2 if zigzag % 2 == 0 else -(zigzag + 1) // 2
    return entries


def _text(data: bytes, at: int) -> tuple[str, int]:
    size, at = _varint(data, at)
    return data[at : at + size].decode(), at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while data[at] & 128:
        value += (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value + (data[at] << shift), at + 1
