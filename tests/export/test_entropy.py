"""Entropy-coded indices: short, read by the page, and refused where they are wrong."""

from __future__ import annotations

import hashlib
import re
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.packed_prompts import CLIP, CONTEXT, later, quantized, skewed, structured
from vlprompt_pipeline.apps.inspect import described
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export import entropy
from vlprompt_pipeline.export.bits import packed_size
from vlprompt_pipeline.export.packed import PackedPrompt, pack, prompt_sizes, unpack
from vlprompt_pipeline.export.tensor_bytes import tensor_bytes
from vlprompt_pipeline.export.tensors import QuantizedTensor
from vlprompt_pipeline.export.wire import Reader, varint

DOCUMENT = (Path(__file__).parents[2] / "docs" / "packed-format.md").read_text(encoding="utf-8")


def page() -> dict:
    """What the reader of the page defines: plain Python, no NumPy."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    (block,) = (block for block in blocks if "def read(" in block)
    names: dict = {}
    exec(compile(block, "packed-format.md", "exec"), names)
    return names


def bits_of(indices: np.ndarray) -> float:
    """Entropy of all indices together, in bits."""
    counts = np.bincount(indices.ravel())
    shares = counts[counts > 0] / indices.size
    return float(-indices.size * (shares * np.log2(shares)).sum())


def decoded(data: bytes, count: int, entries: int) -> list[int]:
    return entropy.decode_indices(Reader(memoryview(data)), count, entries, "t").tolist()


class TestTheCoder:
    def test_frequencies_by_hand(self):
        # n = 4, u = 2: 1 + ⌊4094·3/4⌋ = 3071, the rest for the other; the third is not used
        indices = np.array([0, 1, 0, 0], np.uint8)
        assert entropy.frequencies(indices, 4).tolist() == [3071, 1025, 0, 0]
        rare = np.repeat(np.array([0, 5], np.uint8), [100_000, 1])
        assert entropy.frequencies(rare, 8).tolist() == [4094, 0, 0, 0, 0, 2, 0, 0]

    def test_two_indices_by_hand(self):
        # from the last: 65536 takes in 1 of 2048 and 2048 below, then 0 of 2048 and none below
        first = (65536 // 2048 << 12) + 65536 % 2048 + 2048
        second = (first // 2048 << 12) + first % 2048
        data = entropy.encode_indices(np.array([0, 1], np.uint8), 2)
        assert data == varint(2048) * 2 + struct.pack("<I", second)

    @settings(deadline=None, max_examples=40)
    @given(st.integers(1, 8), st.integers(1, 6000), st.integers(1, 255), st.integers(0, 999))
    def test_what_goes_in_comes_out(self, bits, count, spread, seed):
        draw = np.random.default_rng(seed)
        values = np.abs(draw.normal(0, spread / 40, count)).astype(int)
        indices = np.minimum(values, 2**bits - 1).astype(np.uint8)
        data = entropy.encode_indices(indices, 2**bits)
        assert decoded(data, count, 2**bits) == indices.tolist()

    @pytest.mark.parametrize("count", [1, 4096, 4097, 100_000])
    def test_arrays_and_integers_code_alike(self, count):
        indices = np.random.default_rng(0).binomial(7, 0.3, count).astype(np.uint8)
        table = entropy.frequencies(indices, 8)
        lanes = -(-count // 4096)
        few, many = (
            encode(indices, table, lanes) for encode in (entropy.encode_few, entropy.encode_many)
        )
        for ours, theirs in zip(few, many, strict=True):
            assert list(ours) == list(theirs)
        states, words = np.array(few[0], np.uint32), np.array(few[1], np.uint16)
        for decode in (entropy.decode_few, entropy.decode_many):
            back, ends, taken = decode(count, table, states, words)
            assert np.array_equal(back, indices)
            assert set(map(int, ends)) == {65536}
            assert taken == len(words)

    @pytest.mark.parametrize("count", [2000, 120_000])
    def test_it_takes_what_the_entropy_says(self, count):
        indices = np.random.default_rng(0).binomial(15, 0.2, count).astype(np.uint8)
        size = len(entropy.encode_indices(indices, 16))
        lanes = -(-count // 4096)
        assert size < bits_of(indices) / 8 * 1.004 + 2 * lanes + 32 + 4

    def test_indices_that_are_all_alike_take_no_words(self):
        data = entropy.encode_indices(np.full(5000, 3, np.uint8), 4)
        assert data == b"\0\0\0" + varint(4096) + 2 * struct.pack("<I", 65536)


class TestTheFormat:
    def test_the_shorter_form_is_written(self):
        common, even = skewed(40, 64), quantized(40, 64, bits=2)
        assert tensor_bytes("t", common)[:4] == b"\x2d\x28\x40\x02"
        assert tensor_bytes("t", even)[:3] == b"\x22\x28\x40"
        assert len(common.stored_indices[0]) + 1 < packed_size(40 * 64, 2)

    def test_of_equals_the_plain_form_wins(self):
        sizes = set()
        for rows in range(4, 40):
            tensor = skewed(rows, 4)
            coded = 1 + len(entropy.encode_indices(tensor.indices, 4))
            plain = packed_size(4 * rows, 2)
            sizes.add(coded - plain)
            assert tensor.stored_indices[1] == (coded < plain)
        assert {-1, 0, 1} <= sizes, "the border is among them"

    def test_the_reader_of_the_page_gives_the_same_values(self):
        prompt = later()
        tensors = {name: t for name, t in prompt.tensors.items() if name != "change"}
        tensors["lanes"] = skewed(70, 60, bits=3)
        prompt = replace(prompt, tensors=tensors)
        coded = [name for name, t in tensors.items() if t.stored_indices[1]]
        assert coded == ["coded", "scaled", "several", "lanes"]
        *_, read = page()["read"](pack(prompt))
        for name, tensor in tensors.items():
            shape, values = read[name]
            assert tuple(shape) == tensor.shape
            expected = tensor.decode()
            assert np.array(values, expected.dtype).tobytes() == expected.tobytes(), name

    @pytest.mark.parametrize("bits", range(1, 9))
    def test_files_come_back(self, bits):
        tensors = {"a": skewed(60, 80, bits=bits), "b": structured(60, 41, bits)}
        data = pack(PackedPrompt("m", tensors, CLIP, CONTEXT))
        assert data[3] == 0x12
        back = unpack(data)
        assert pack(back) == data
        for name, tensor in tensors.items():
            assert back.tensors[name].decode().tobytes() == tensor.decode().tobytes()

    def test_sizes_count_what_is_stored(self):
        tensor = structured(60, 41)
        prompt = PackedPrompt("m", {"t": tensor}, CLIP, CONTEXT)
        sizes = prompt_sizes(prompt)
        halves = 2 * (4 + 60 + 40 + 60)
        assert sizes.payload_bytes == halves + 1 + len(tensor.stored_indices[0])
        assert sizes.payload_bits == 2 * 60 * 40 + 16 * 60
        assert sizes.file_bytes - sizes.payload_bytes < 50

    def test_inspect_says_what_is_coded(self):
        found = {name: described(name, t)["encoding"] for name, t in later().tensors.items()}
        coded = "2-bit, entropy-coded"
        assert found["coded"] == found["scaled"] == found["several"] == coded
        assert (found["plain"], found["change"]) == ("2-bit", "4-bit")

    def test_a_file_of_before_is_read_and_written_shorter(self):
        tensor = skewed(40, 64)
        plain = QuantizedTensor(tensor.indices, tensor.codebooks)
        plain.__dict__["stored_indices"] = (entropy.pack_bits(tensor.indices, 2), False)
        before = pack(PackedPrompt("m", {"t": plain}, CLIP, CONTEXT))
        assert before[3] == 0x10
        assert len(pack(unpack(before))) < len(before)


HALVES = struct.pack("<2e", -1, 1)


def file_of(coded: bytes, dimension: int = 64, encoding: int = 1) -> bytes:
    """A file whose only tensor has those coded indices of one bit."""
    body = b"\x01t\x1d" + varint(dimension) + bytes([encoding]) + HALVES + coded
    body = b"\x01m\x01" + varint(len(body)) + body
    head = b"VLP\x12" + struct.pack("<I", 28 + len(body))
    rest = bytes(12) + body
    return head + hashlib.sha256(head + rest).digest()[:8] + rest


def refusal(data: bytes) -> str:
    with pytest.raises(PromptFileError) as caught:
        unpack(data)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestWhatIsRefused:
    INDICES = np.array([0] * 500 + [1] * 12, np.uint8)
    CODED = entropy.encode_indices(INDICES, 2)

    def test_the_coded_file_is_right(self):
        back = unpack(file_of(self.CODED, 512)).tensors["t"]
        assert back.indices.tolist() == self.INDICES.tolist()

    def test_every_truncation(self):
        for size in range(len(self.CODED)):
            assert "malformed: tensor 't'" in refusal(file_of(self.CODED[:size], 512))

    @pytest.mark.parametrize("encoding", [0, 9, 12, 13, 14])
    def test_indices_of_what_has_none(self, encoding):
        expected = f"entropy-coded indices of encoding {encoding}"
        assert expected in refusal(file_of(self.CODED, 512, encoding))

    def test_what_is_left_over(self):
        assert "do not end with their bytes" in refusal(file_of(self.CODED + b"\0\0", 512))
        assert "ends within a word" in refusal(file_of(self.CODED + b"\0", 512))

    def test_a_table_that_does_not_add_up(self):
        short = varint(4000) + varint(95) + self.CODED[4:]
        assert "do not add up to 4096" in refusal(file_of(short, 512))
        huge = varint(2**34) + varint(95) + self.CODED[4:]
        assert "do not add up to 4096" in refusal(file_of(huge, 512))

    def test_another_table_for_the_same_indices(self):
        table = np.array([4000, 96])
        states, words = entropy.encode_few(self.INDICES, table, 1)
        data = varint(4000) + varint(96) + struct.pack("<I", *states)
        data += np.array(words, "<u2").tobytes()
        assert decoded(data, 512, 2) == self.INDICES.tolist(), "it could be read"
        assert "coded otherwise" in refusal(file_of(data, 512))

    def test_what_is_shorter_as_it_is(self):
        even = np.arange(64, dtype=np.uint8) % 2
        assert "coded otherwise" in refusal(file_of(entropy.encode_indices(even, 2)))

    def test_sizes_that_nothing_stands_behind_cost_nothing(self):
        claim = file_of(varint(0) + varint(4096) + struct.pack("<I", 65536), 2**27)
        tracemalloc.start()
        refusal(claim)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
