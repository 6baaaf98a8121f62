"""The 32-byte prompt as a file: its size, and a decoder that is on the page of the format."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.packed_prompts import CLIP, CONTEXT
from export.test_learner import CLASSES, logits, recipe_of, trained
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.packed import PackedPrompt, pack, prompt_sizes, unpack
from vlprompt_pipeline.export.tensors import ProjectedTensor
from vlprompt_pipeline.random_directions import change

DOCUMENT = (Path(__file__).parents[2] / "docs" / "packed-format.md").read_text(encoding="utf-8")


def prompt(numbers: int = 60, shape: tuple[int, ...] = (4, 512), seed: int = 1) -> PackedPrompt:
    indices = np.random.default_rng(0).integers(0, 16, numbers, dtype=np.uint8)
    tensor = ProjectedTensor(shape, indices, np.float16(0.37), seed)
    return PackedPrompt("coop", {"context": tensor}, CLIP, CONTEXT, {"clip": -2_000_000_000})


def page_decoder():
    """Run the only block of the page that defines `change`."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    (block,) = (block for block in blocks if "def change(" in block)
    names: dict = {}
    exec(compile(block, "packed-format.md", "exec"), names)
    return names["change"]


def last_section(data: bytes, name: str = "context") -> bytes:
    """Return what follows name, form and two dimensions [4, 512] in the last section."""
    head = bytes([len(name)]) + name.encode() + b"\x2c\x04\x80\x04"
    return data[data.index(head) + len(head) :]


def test_file_is_at_most_96_bytes_with_a_payload_of_32():
    sizes = prompt_sizes(prompt())
    assert (sizes.payload_bytes, sizes.payload_bits, sizes.fp16_bytes) == (32, 240, 120)
    assert sizes.file_bytes == len(pack(prompt())) <= 96
    assert f"| 32 | {sizes.file_bytes} | 120 |" in DOCUMENT


def test_a_file_has_the_version_of_what_is_in_it():
    assert pack(prompt())[3] == 0x11


@pytest.mark.parametrize(("numbers", "seed"), [(60, 1), (1, 0), (63, 127), (7, 5)])
def test_the_decoder_of_the_page_gives_the_same_bits(numbers, seed):
    whole = prompt(numbers, seed=seed)
    data = last_section(pack(whole))
    assert list(data[:2]) == [seed, numbers]
    scale = np.frombuffer(data[2:4], "<f2")[0]
    found = page_decoder()((4, 512), seed, numbers, scale, data[4:])
    expected = unpack(pack(whole)).tensors["context"].decode()
    assert found.dtype == expected.dtype == np.float32
    assert found.tobytes() == expected.tobytes()
    assert len(np.unique(expected)) > 1


def test_a_trained_prompt_is_rebuilt_by_the_page_to_the_bit(tiny_clip):
    recipe = recipe_of("rp_coop")
    learner, _ = trained(recipe, tiny_clip)
    tensor = unpack(pack(pack_learner(learner, recipe))).tensors["context"]
    scale, m = tensor.scale, len(tensor.indices)
    packed = bytes(low | high << 4 for low, high in tensor.indices.reshape(-1, 2).tolist())
    words = tiny_clip.embed(tiny_clip.token_ids("a photo of a")).numpy()
    rebuilt = words + page_decoder()(tensor.shape, tensor.seed, m, scale, packed)
    shown = learner.context.detach().numpy()
    assert not np.array_equal(shown, words), "training has changed it"
    assert rebuilt.tobytes() == shown.tobytes()
    loaded = load_learner(pack(pack_learner(learner, recipe)), recipe, tiny_clip, CLASSES)
    assert torch.equal(logits(loaded), logits(learner))


def test_drawn_contexts_ship_what_they_started_from(tiny_clip):
    recipe = recipe_of("rp_coop", prompt={"length": 4, "init": None})
    learner, _ = trained(recipe, tiny_clip, seed=0)
    packed = pack(pack_learner(learner, recipe))
    assert set(unpack(packed).tensors) == {"context", "context.initial"}
    assert torch.equal(logits(load_learner(packed, recipe, tiny_clip, CLASSES)), logits(learner))


def test_a_change_of_another_length_is_refused(tiny_clip):
    recipe, wide = recipe_of("rp_coop"), recipe_of("rp_coop", prompt={"length": 5, "init": None})
    known = pack_learner(trained(recipe, tiny_clip)[0], recipe).context_sha256
    other = replace(pack_learner(trained(wide, tiny_clip)[0], wide), context_sha256=known)
    without = {name: t for name, t in other.tensors.items() if name == "context"}
    with pytest.raises(PromptFileError, match=r"holds \{'context': \(5, 32\)"):
        load_learner(pack(replace(other, tensors=without)), recipe, tiny_clip, CLASSES)


@pytest.mark.parametrize("numbers", [0, 1025])
def test_too_many_numbers_are_refused(numbers):
    with pytest.raises(PromptFileError, match=f"is made of {numbers} numbers"):
        unpack(pack(prompt(numbers)))


def test_a_left_over_bit_and_a_size_that_is_wrong_are_refused():
    odd = bytearray(pack(prompt(59)))
    odd[-1] |= 0x80
    with pytest.raises(PromptFileError, match="a bit after the last index is set"):
        unpack(resealed(odd))
    cut = pack(prompt())[:-1]
    with pytest.raises(PromptFileError, match="truncated"):
        unpack(cut)


def resealed(data: bytearray) -> bytes:
    """Make the checksum right again, as one who alters a file on purpose would."""
    data[8:16] = hashlib.sha256(bytes(data[:8]) + bytes(data[16:])).digest()[:8]
    return bytes(data)


def test_equal_indices_with_another_seed_are_another_change():
    indices = np.arange(16, dtype=np.uint8)
    one, other = (change(indices, np.float16(1), seed, 100) for seed in (1, 2))
    assert not np.array_equal(one, other)
