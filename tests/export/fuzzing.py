"""Mutated prompt files, and what must hold for each: refused in a sentence, or the very prompt."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from random import Random

from export.packed_prompts import VECTORS, later, qcoop, rank_one
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.packed import PackedPrompt, pack, unpack

PROMPTS = (qcoop(), rank_one(), later())
SEEDS = [*(bytes.fromhex(vector["hex"]) for vector in VECTORS), *map(pack, PROMPTS)]
HEADER = 28
INTERESTING = (0, 1, 2, 9, 10, 11, 0x10, 0x7F, 0x80, 0x81, 0xFF)


@dataclass
class Tally:
    """What became of the mutations."""

    refused: int = 0
    read: int = 0
    unchanged: int = 0
    sentences: set[str] = field(default_factory=set)


def sealed(data: bytes) -> bytes:
    """With a right size and checksum, as somebody who means harm would write it."""
    head = data[:4] + len(data).to_bytes(4, "little")
    return head + hashlib.sha256(head + data[16:]).digest()[:8] + data[16:]


def mutated(data: bytes, draw: Random, first: int) -> bytes:
    """One to four changes at or behind byte `first`."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = draw.randrange(first, len(out)) if len(out) > first else len(out)
        kind = draw.randrange(7)
        if kind == 0 and out[place:]:
            out[place] ^= 1 << draw.randrange(8)
        elif kind == 1 and out[place:]:
            out[place] = draw.randrange(256)
        elif kind == 2 and out[place:]:
            out[place] = draw.choice(INTERESTING)
        elif kind == 3:
            del out[place:]
        elif kind == 4:
            del out[place : place + draw.randrange(1, 9)]
        elif kind == 5:
            out[place:place] = draw.randbytes(draw.randrange(1, 9))
        else:
            other = draw.choice(SEEDS)
            start = draw.randrange(len(other))
            out[place:place] = other[start : start + draw.randrange(1, 65)]
    return bytes(out)


def fuzz(count: int, seed: int) -> Tally:
    """Try `count` mutations: half of them as they come, half with the checksum made right.

    Raises:
        AssertionError: an altered file was read, a file was read that `pack` would not write, or
            a refusal was no single sentence. Any other error of the reader is let through.
    """
    draw, tally = Random(seed), Tally()
    for number in range(count):
        original = draw.choice(SEEDS)
        hostile = number % 2
        data = mutated(original, draw, HEADER if hostile else 0)
        data = sealed(data) if hostile else data
        if data in SEEDS:  # a splice may make another whole file
            tally.unchanged += 1
            continue
        try:
            prompt = unpack(data)
        except PromptFileError as error:
            sentence = str(error)
            assert "\n" not in sentence and sentence.startswith("the "), data.hex()
            tally.refused += 1
            tally.sentences.add(re.sub(r"'.*'|\d+", "…", sentence)[:70])
            continue
        assert hostile, f"an altered file was read: {data.hex()}"
        same = _of_version(pack(prompt), data[3]) == data
        assert same or _has_optional(data) or _could_be_shorter(prompt, data), (
            f"two files of one prompt: {data.hex()}"
        )
        tally.read += 1
    return tally


def _of_version(data: bytes, version: int) -> bytes:
    """A file as one of a later minor version, which may hold all that an earlier one does."""
    return sealed(data[:3] + bytes([max(version, data[3])]) + data[4:])


def _could_be_shorter(prompt: PackedPrompt, data: bytes) -> bool:
    """Whether plain indices of the file would be entropy-coded today, and stay what they are."""
    shorter = pack(prompt)
    read = unpack(shorter)
    same = [
        read.tensors[name].decode().tobytes() == tensor.decode().tobytes()
        for name, tensor in prompt.tensors.items()
    ]
    return all(same) and pack(read) == shorter and len(shorter) < len(data)


def _has_optional(data: bytes) -> bool:
    """Whether there is a section that a reader skips."""
    at = HEADER + 1 + data[HEADER]
    while at < len(data):
        kind, size, shift, byte = data[at], 0, 0, 0x80
        if kind >= 0x80:
            return True
        while byte & 0x80:
            at += 1
            byte = data[at]
            size |= (byte & 0x7F) << shift
            shift += 7
        at += 1 + size
    return False
