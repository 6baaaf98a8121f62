"""Only a whole, known, well-formed file of the right CLIP is read; the rest gets a sentence."""

from __future__ import annotations

import hashlib
import struct
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.fuzzing import SEEDS, fuzz
from export.packed_prompts import CLIP, CONTEXT, qcoop, quantized
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export import (
    DenseTensor,
    PackedPrompt,
    QuantizedTensor,
    pack,
    packed,
    unpack,
)

WHOLE = pack(replace(qcoop(), metadata={"pos": "end", "seed": 3}))
METHOD = b"\x05qcoop"
ONE_BIT = b"\x01\x09\x01t\x11\x08" + struct.pack("<2e", -1, 1) + b"\x2a"


def sealed(body: bytes) -> bytes:
    """A file with any body and a right size and checksum, as a hostile writer could make it."""
    head = b"VLP\x10" + struct.pack("<I", 28 + len(body))
    rest = bytes(12) + body
    return head + hashlib.sha256(head + rest).digest()[:8] + rest


def refusal(data: bytes, **options: str) -> str:
    with pytest.raises(PromptFileError) as caught:
        unpack(data, **options)
    return str(caught.value)


def test_sealed_is_right() -> None:
    assert unpack(sealed(METHOD + ONE_BIT)).tensors["t"].decode().tolist() == [
        -1, 1, -1, 1, -1, 1, -1, -1,
    ]  # fmt: skip


@pytest.mark.parametrize("whole", [WHOLE, *SEEDS], ids=len)
def test_every_flipped_bit(whole: bytes) -> None:
    for place in range(8 * len(whole)):
        altered = bytearray(whole)
        altered[place // 8] ^= 1 << place % 8
        refusal(bytes(altered))


def test_every_truncation_and_additions() -> None:
    for size in range(3, len(WHOLE)):
        assert "truncated" in refusal(WHOLE[:size])
    assert "no packed prompt" in refusal(b"")
    assert "added to" in refusal(WHOLE + b"\0")
    assert "added to" in refusal(WHOLE + WHOLE)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1))
def test_any_alteration(changes: list[tuple[int, int]]) -> None:
    altered = bytearray(WHOLE)
    for place, value in changes:
        altered[place] ^= value
    if altered != WHOLE:
        refusal(bytes(altered))


@pytest.mark.parametrize("data", [b"\x80\x04K\x01.", b"{}", b"PK\x03\x04" + WHOLE, bytes(400)])
def test_foreign(data: bytes) -> None:
    assert "no packed prompt" in refusal(data)


def test_newer_major_version_is_named() -> None:
    message = refusal(b"VLP\x23 laid out in a way this program cannot know")
    assert "version 2.3" in message
    assert "reads version 1" in message


def resealed(version: int, body: bytes) -> bytes:
    """A file of another version, whole in itself."""
    head = b"VLP" + bytes([version]) + struct.pack("<I", 28 + len(body))
    rest = bytes(12) + body
    return head + hashlib.sha256(head + rest).digest()[:8] + rest


@pytest.mark.parametrize("minor", range(1, 16))
def test_newer_minor_version_is_read_past_what_is_unknown(minor: int) -> None:
    unknown = b"\x9f\x04new!"
    newer = resealed(0x10 | minor, METHOD + unknown + ONE_BIT + unknown)
    assert pack(unpack(newer)) == pack(unpack(sealed(METHOD + ONE_BIT)))


def test_other_clip_names_both() -> None:
    other = hashlib.sha256(b"other weights").hexdigest()
    message = refusal(WHOLE, expected_clip=other)
    assert CLIP[:16] in message
    assert other[:16] in message


@pytest.mark.parametrize("wrong", ["", "abc", "x" * 64, CLIP.upper(), CLIP + "0"])
def test_hash_that_is_none(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a hash"):
        unpack(WHOLE, expected_clip=wrong)


def test_sections_of_the_future() -> None:
    optional = b"\x80\x03new\xff\x00"
    prompt = unpack(sealed(METHOD + optional + ONE_BIT + optional))
    assert list(prompt.tensors) == ["t"]
    for kind in (0, 3, 127):
        message = refusal(sealed(section(kind, b"new")))
        assert f"kind {kind} that version 1.2" in message


def section(kind: int, body: bytes) -> bytes:
    return METHOD + bytes([kind, len(body)]) + body


MANY = b"".join(b"\x02%02d\x01" % number for number in range(65))
HUGE = b"\xff\xff\xff\xff\x0f"  # 2**32 - 1
MALFORMED = {
    b"\x7fqcoop": "takes 127 bytes where 5 are left",
    b"\x00": "has 0 bytes",
    b"\x02\xff\xfe": "not UTF-8",
    b"\x02a\n": "control characters",
    b"\x85\x00qcoop": "shortest form",
    b"\xff\xff\xff\xff\xff\xff": "up to 5 bytes",
    METHOD + b"\x01\x7f\x01t": "takes 127 bytes where 2 are left",
    METHOD + b"\x01": "takes 1 bytes where 0 are left",
    METHOD + b"\x80\x7f": "takes 127 bytes where 0 are left",
    METHOD + b"\x80\x00" * 1024: "1024 sections",
    section(1, b""): "the name of a tensor",
    section(1, b"\x01t"): "takes 1 bytes where 0 are left",
    METHOD + ONE_BIT + ONE_BIT: "'t' is out of order",
    METHOD + ONE_BIT + ONE_BIT.replace(b"t", b"s"): "'s' is out of order",
    section(1, b"\x01t\x1e\x01\x00"): "encoding 14",
    section(1, b"\x01t\x2b\x01\x01"): "encoding 11, which version 1.0 does not have",
    section(1, b"\x01t\x1c\x01\x01"): "encoding 12, which version 1.0 does not have",
    section(1, b"\x01t\x1d\x01\x01"): "encoding 13, which version 1.0 does not have",
    section(1, b"\x01t\x90" + b"\x01" * 9 + b"\x00\x3c"): "9 dimensions",
    section(1, b"\x01t\x10\x00"): "shape (0,) has no value",
    section(1, b"\x01t\x10\x02\x00\x3c"): "takes 4 bytes, but there are 2",
    section(1, b"\x01t\x10\x01\x00\x3c\x00\x3c"): "takes 2 bytes, but there are 4",
    section(1, b"\x01t\x21" + HUGE + HUGE): "too many",
    section(1, b"\x01t\x11" + b"\x80\x80\x80\x08"): "takes 2097156 bytes, but there are 0",
    section(1, b"\x01t\x10\x01\x00\x7c"): "not finite",
    section(1, b"\x01t\x11\x08\x00\xbc\x00\x7e\x2a"): "not finite",
    section(1, b"\x01t\x1a\x08\x01\x01" + b"\x00" * 5): "1 codebooks of 1 bits",
    section(1, b"\x01t\x1a\x08\x01\x03" + b"\x00" * 13): "3 codebooks of 1 bits",
    section(1, b"\x01t\x1a\x08\x00\x02" + b"\x00" * 9): "2 codebooks of 0 bits",
    section(1, b"\x01t\x1a\x08\x09\x02" + b"\x00" * 9): "2 codebooks of 9 bits",
    section(1, b"\x01t\x1a\x08\x01\x02" + b"\x00" * 8): "takes 9 bytes, but there are 8",
    section(1, b"\x01t\x11\x07\x00\xbc\x00\x3c\xaa"): "after the last index",
    section(2, b"\x01a\x01") + b"\x02\x03\x01b\x01": "kind 2 that version 1.2",
    section(2, b"\x01a\x01\x01a\x01"): "'a' is out of order",
    section(2, b""): "metadata has no entry",
    METHOD + ONE_BIT + b"\x02\x03\x01a\x01": "kind 2 that version 1.2",
    section(2, b"\x01a\x00"): "has 0 bytes",
    section(2, b"\x01a\x08x"): "takes 4 bytes where 1 are left",
    section(2, b"\x01a\x81\x80\x80\x80\x40"): "beyond 32 bits",
    METHOD + b"\x02\x84\x02" + MANY: "'64' is out of order or one too many",
}


@pytest.mark.parametrize(("body", "reason"), MALFORMED.items(), ids=MALFORMED.values())
def test_malformed(body: bytes, reason: str) -> None:
    message = refusal(sealed(body))
    assert message.startswith("the prompt file")
    assert reason in message
    assert "\n" not in message


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for candidate in (data, b"VLP\x10" + data, sealed(data), sealed(METHOD + data)):
        try:
            unpack(candidate)
        except PromptFileError as error:
            assert "\n" not in str(error)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WHOLE) - 29), st.binary(min_size=1, max_size=6))
def test_any_bytes_within_a_prompt(place: int, data: bytes) -> None:
    body = WHOLE[28:]
    try:
        unpack(sealed(body[:place] + data + body[place + len(data) :]))
    except PromptFileError as error:
        assert "\n" not in str(error)


def test_file_that_is_too_large() -> None:
    size = packed.MAX_FILE_BYTES + 1
    data = bytearray(size)  # of pages that are never touched
    data[:8] = b"VLP\x10" + struct.pack("<I", size)
    assert f"{size} bytes, more than" in refusal(data)


@pytest.mark.parametrize(
    "tensor", [b"\x11" + HUGE, b"\x1a\x80\x80\x80\x08\x08\x80\x80\x80\x08", b"\x1a\x04\x08" + HUGE]
)
def test_huge_sizes_cost_nothing(tensor: bytes) -> None:
    hostile = sealed(section(1, b"\x01t" + tensor))
    tracemalloc.start()
    started = time.perf_counter()
    refusal(hostile)
    seconds = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert seconds < 1


def _prompt(**changes: object) -> PackedPrompt:
    values = {
        "method": "m",
        "tensors": {},
        "clip_sha256": CLIP,
        "context_sha256": CONTEXT,
        "metadata": {},
    }
    return PackedPrompt(**{**values, **changes})


UNPACKABLE = {
    "infinite": {"tensors": {"t": DenseTensor(np.array([np.inf], np.float32))}},
    "codebook NaN": {
        "tensors": {
            "t": QuantizedTensor(np.zeros(1, np.uint8), np.array([[0, np.nan]], np.float16))
        }
    },
    "dimensions": {"tensors": {"t": DenseTensor(np.ones((1,) * 9, np.float16))}},
    "method empty": {"method": ""},
    "method long": {"method": "m" * 256},
    "surrogate": {"method": "\ud800"},
    "line break": {"metadata": {"a": "b\nc"}},
    "integer": {"metadata": {"a": 1 << 31}},
    "entries": {"metadata": {f"{n:02d}": n for n in range(65)}},
    "values": {"tensors": {n: quantized(1 << 15) for n in "abc"}},
    "sections": {"tensors": {f"{n:04d}": quantized(1) for n in range(1024)}},
}


@pytest.mark.parametrize("changes", UNPACKABLE.values(), ids=UNPACKABLE)
def test_what_cannot_be_packed(changes: dict, monkeypatch) -> None:
    monkeypatch.setattr(packed, "MAX_VALUES", 1 << 16)
    with pytest.raises(PromptFileError) as caught:
        pack(_prompt(**changes))
    assert "\n" not in str(caught.value)


def test_arrays_that_are_no_tensor() -> None:
    with pytest.raises(ValueError, match="float64"):
        DenseTensor(np.ones(2))
    with pytest.raises(ValueError, match="float16 or float32"):
        DenseTensor(np.ones(0, np.float16))
    indices, codebook = np.zeros(2, np.uint8), np.zeros((1, 2), np.float16)
    with pytest.raises(ValueError, match="uint8 indices"):
        QuantizedTensor(indices.astype(np.int64), codebook)
    with pytest.raises(ValueError, match="2, 4, 8"):
        QuantizedTensor(indices, np.zeros((1, 3), np.float16))
    with pytest.raises(ValueError, match="beyond the codebook"):
        QuantizedTensor(indices + np.uint8(2), codebook)


def test_twenty_thousand_mutations() -> None:
    """tests/speed/fuzz_packed.py tries ten million."""
    tally = fuzz(20_000, seed=0)
    assert tally.refused > 10_000
    assert tally.read > 100
    assert len(tally.sentences) > 15
