"""What is packed comes back, in the bytes that the document promises."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from export.packed_prompts import (
    CLIP,
    CONTEXT,
    VECTORS,
    described,
    from_vector,
    qcoop,
    qmaple,
    rank_one,
)
from vlprompt_pipeline.export import (
    DenseTensor,
    PackedPrompt,
    QuantizedTensor,
    pack,
    prompt_sizes,
    unpack,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "packed-format.md").read_text(encoding="utf-8")
EACH_VECTOR = pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=6)


@st.composite
def tensors(draw: st.DrawFn) -> DenseTensor | QuantizedTensor:
    shape = draw(SHAPES)
    bits = draw(st.integers(0, 8))
    if not bits:
        dtype = draw(st.sampled_from([np.float16, np.float32]))
        return DenseTensor(
            draw(hnp.arrays(dtype, shape, elements={"allow_nan": False, "allow_infinity": False}))
        )
    finite = {"allow_nan": False, "allow_infinity": False}
    count = math.prod(shape)
    codebooks = draw(st.sampled_from([k for k in range(1, count + 1) if not count % k]))
    entries = hnp.arrays(np.float16, (codebooks, 2**bits), elements=finite, fill=st.just(0.5))
    indices = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1)))
    return QuantizedTensor(indices, draw(entries))


@settings(deadline=None)
@given(
    TEXTS,
    st.dictionaries(TEXTS, tensors(), max_size=3),
    st.dictionaries(TEXTS, TEXTS | st.integers(-(2**31), 2**31 - 1), max_size=5),
)
def test_round_trip(method: str, stored: dict, metadata: dict) -> None:
    prompt = PackedPrompt(method, stored, CLIP, CONTEXT, metadata)
    data = pack(prompt)
    back = unpack(data, expected_clip=CLIP)
    assert pack(back) == data
    assert (back.clip_sha256, back.context_sha256) == (CLIP[:16], CONTEXT[:8])
    assert (back.method, dict(back.metadata)) == (method, metadata)
    assert set(back.tensors) == set(stored)
    for name, tensor in stored.items():
        values = back.tensors[name].decode()
        assert type(back.tensors[name]) is type(tensor)
        assert values.dtype == tensor.decode().dtype
        assert values.shape == tensor.shape
        assert values.tobytes() == tensor.decode().tobytes()  # tells minus zero from zero


@EACH_VECTOR
def test_vector_is_written(vector: dict) -> None:
    assert pack(from_vector(vector)).hex() == vector["hex"]


@EACH_VECTOR
def test_vector_is_read(vector: dict) -> None:
    data = bytes.fromhex(vector["hex"])
    expected = {key: vector[key] for key in ("method", "clip", "context", "metadata", "tensors")}
    assert described(unpack(data)) == expected


def block(language: str, marker: str = "") -> str:
    """The only block of that language, and with the marker in it, in the document."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    (found,) = (block for block in blocks if marker in block)
    return found


@EACH_VECTOR
def test_vector_is_read_by_the_reader_of_the_document(vector: dict) -> None:
    document: dict = {}
    exec(compile(block("python", "def read("), "packed-format.md", "exec"), document)
    *head, tensors = document["read"](bytes.fromhex(vector["hex"]))
    assert head == [vector[key] for key in ("method", "clip", "context", "metadata")]
    expected = from_vector(vector).tensors
    assert tensors == {
        name: (list(tensor.shape), tensor.decode().flatten().tolist())
        for name, tensor in expected.items()
    }


def test_reader_of_the_document_is_short() -> None:
    lines = block("python", "def read(").splitlines()
    assert len([line for line in lines if line]) <= 80


def test_example_in_the_document() -> None:
    lines = [line.partition("#")[0] for line in block("hexdump").splitlines()]
    assert bytes.fromhex("".join(lines)).hex() == VECTORS[0]["hex"]


def test_order_of_tensors_and_metadata_does_not_matter() -> None:
    a, b = DenseTensor(np.ones(2, np.float16)), DenseTensor(np.zeros(3, np.float32))
    one = PackedPrompt("m", {"a": a, "b": b}, CLIP, CONTEXT, {"k": 1, "l": "x"})
    other = PackedPrompt("m", {"b": b, "a": a}, CLIP, CONTEXT, {"l": "x", "k": 1})
    assert pack(one) == pack(other)


def test_arrays_that_are_not_contiguous() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    plain = PackedPrompt("m", {"t": DenseTensor(values.T.copy())}, CLIP, CONTEXT)
    strided = PackedPrompt("m", {"t": DenseTensor(values.T)}, CLIP, CONTEXT)
    assert pack(plain) == pack(strided)


@pytest.mark.parametrize(
    ("prompt", "payload_bits", "payload", "fp16", "largest_file"),
    [
        (qcoop(), 2048, 260, 4096, 320),
        (qcoop(bits=2), 4096, 520, 4096, 580),
        (qcoop(bits=4), 8192, 1056, 4096, 1116),
        (rank_one(), 516, 73, 1032, 160),
        (qmaple(), 4 * 3_548_160, 1_774_080 + 18 * 32, 7_096_320, 1_776_000),
    ],
    ids=["1 bit", "2 bits", "4 bits", "rank one", "MaPLe"],
)
def test_sizes(
    prompt: PackedPrompt, payload_bits: int, payload: int, fp16: int, largest_file: int
) -> None:
    prompt = replace(prompt, metadata={"clip": -2_000_000_000})  # as in every file of a run
    sizes = prompt_sizes(prompt)
    assert (sizes.payload_bits, sizes.payload_bytes, sizes.fp16_bytes) == (
        payload_bits,
        payload,
        fp16,
    )
    assert sizes.file_bytes == len(pack(prompt)) <= largest_file
    row = f"| {payload:,} | {sizes.file_bytes:,} | {fp16:,} |"
    assert row in DOCUMENT


def test_sizes_of_dense_tensors() -> None:
    half, single = np.ones((4, 512), np.float16), np.ones(3, np.float32)
    stored = {"half": DenseTensor(half), "single": DenseTensor(single)}
    sizes = asdict(prompt_sizes(PackedPrompt("coop", stored, CLIP, CONTEXT)))
    sizes.pop("file_bytes")
    assert sizes == {
        "payload_bits": 16 * 2048 + 32 * 3,
        "payload_bytes": 4096 + 12,
        "fp16_bytes": 4096 + 6,
    }
