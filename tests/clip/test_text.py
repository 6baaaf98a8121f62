"""Every way through the text tower gives what open_clip's own modules give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from speed.full_length import encode_reference
from vlprompt_pipeline.clip import Prompts, TextTower, text_base
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.packing import SuffixLengths

WIDTH = 32


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    vision = {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": WIDTH, "heads": 2, "layers": 3}
    built = open_clip.CLIP(16, vision, text, quick_gelu=True).double().eval()
    for name, parameter in built.named_parameters():  # ln biases start at zero: make them count
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return built.requires_grad_(False)


@pytest.fixture(scope="module")
def towers(model) -> dict[torch.dtype, TextTower]:
    tower = TextTower(model)
    lower = (torch.float32, torch.bfloat16)
    return {torch.float64: tower} | {dtype: tower.computing(dtype, None) for dtype in lower}


def _prompts(
    seed: int,
    groups: int,
    shared: int,
    lengths: list[int],
    deep: int = 0,
    replaced: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Prompts:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        values = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return values.to(dtype).requires_grad_()

    return Prompts(
        prefix=draw(groups, shared, WIDTH),
        suffix=draw(len(lengths), max(lengths), WIDTH),
        lengths=SuffixLengths(lengths),
        deep=[draw(groups, replaced, WIDTH) for _ in range(deep)],
    )


def _features_and_gradients(encode, prompts: Prompts) -> tuple[Tensor, list[Tensor]]:
    """Normalised features, and the gradients of a weighted sum of them."""
    features = F.normalize(encode(prompts), dim=-1)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(features.shape, generator=generator, dtype=torch.float64)
    leaves = [prompts.prefix, prompts.suffix, *prompts.deep]
    found = torch.autograd.grad((features * weights.to(features)).sum(), leaves, allow_unused=True)
    gradients = [
        torch.zeros_like(leaf) if gradient is None else gradient  # deeper than the tower
        for leaf, gradient in zip(leaves, found, strict=True)
    ]
    return features.detach(), gradients


@contextmanager
def _at_once(tokens: int) -> Iterator[None]:
    with patch.dict(text_base.AT_ONCE, cpu=tokens):
        yield


@st.composite
def _any_prompts(draw) -> Prompts:
    """Prompts of any shape that fits 77 tokens: shared and own contexts, short and long names."""
    shared = draw(st.integers(1, 17))
    longest = draw(st.sampled_from([7, 20, 60]))
    lengths = draw(st.lists(st.integers(1, longest), min_size=1, max_size=8))
    return _prompts(
        seed=draw(st.integers(0, 10_000)),
        groups=draw(st.integers(1, 4)),
        shared=shared,
        lengths=lengths,
        deep=draw(st.integers(0, 3)) if shared > 1 else 0,
        replaced=draw(st.integers(1, shared - 1)) if shared > 1 else 0,
    )


@settings(max_examples=30, deadline=None)
@given(prompts=_any_prompts(), at_once=st.sampled_from([1, 128, 512]))
def test_agrees_with_full_length_sequences_in_value_and_gradient(towers, prompts, at_once):
    tower = towers[torch.float64]
    theirs, their_gradients = _features_and_gradients(partial(encode_reference, tower), prompts)
    with _at_once(at_once):
        ours, our_gradients = _features_and_gradients(tower, prompts)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for mine, reference in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(
    ("dtype", "value", "gradient"),
    [(torch.float32, 1e-5, 1e-4), (torch.bfloat16, 0.05, 0.2)],
    ids=str,
)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(prompts=_any_prompts())
def test_other_precisions_are_as_near_as_they_can_be(towers, prompts, dtype, value, gradient):
    """Greatest difference from double precision, against the greatest element."""
    reference = partial(encode_reference, towers[torch.float64])
    exact = _features_and_gradients(reference, prompts)
    lower = Prompts(
        prefix=_single(prompts.prefix),
        suffix=_single(prompts.suffix),
        lengths=prompts.lengths,
        deep=[_single(each) for each in prompts.deep],
    )
    ours = _features_and_gradients(towers[dtype], lower)
    assert ours[0].dtype == torch.float32
    assert _difference(ours[0], exact[0]) <= value
    for mine, reference in zip(ours[1], exact[1], strict=True):
        assert mine.dtype == torch.float32
        assert _difference(mine, reference) <= gradient


def _single(values: Tensor) -> Tensor:
    return values.detach().float().requires_grad_()


def _difference(ours: Tensor, exact: Tensor) -> float:
    least = torch.finfo(exact.dtype).tiny  # a deep prompt behind the last block has no gradient
    return ((ours.double() - exact).abs().max() / exact.abs().max().clamp(min=least)).item()


@pytest.mark.parametrize("memory", [0, 2_000_000, None])
@pytest.mark.parametrize("groups", [1, 3])
def test_memory_never_changes_a_bit(model, memory, groups):
    """Nothing kept, some parts kept, everything kept."""
    prompts = _prompts(0, groups, 5, [3, 7, 4, 12, 3, 5] * 4, deep=2, replaced=4)
    ample = TextTower(model).computing(torch.float64, memory=1 << 40)
    short = TextTower(model).computing(torch.float64, memory=memory)
    with _at_once(64):
        features, gradients = _features_and_gradients(ample, prompts)
        again, others = _features_and_gradients(short, prompts)
    assert torch.equal(features, again)
    assert all(map(torch.equal, gradients, others))


def test_little_memory_keeps_little(model):
    """Bytes that wait for the backward pass, with and without room for them."""
    prompts = _prompts(0, 1, 5, [3, 7, 4, 12, 3, 5] * 40)

    def kept(memory: int) -> int:
        tensors: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            tensors[storage.data_ptr()] = storage.nbytes()
            return tensor

        tower = TextTower(model).computing(torch.float64, memory)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            features = tower(prompts)
        assert features.requires_grad
        return sum(tensors.values())

    assert kept(0) < kept(1 << 40) / 7


def test_equals_encode_text_of_open_clip(model):
    tokenizer = open_clip.SimpleTokenizer()
    texts = ["a photo of a cat.", "two red squares.", "dog"]
    tokens = tokenizer(texts)
    ids = [[i for i in row.tolist() if i][1:] for row in tokens]
    longest = max(map(len, ids))
    suffix = torch.stack(
        [model.token_embedding(torch.tensor(row + [0] * (longest - len(row)))) for row in ids]
    )
    prefix = model.token_embedding(tokens[:1, :1])
    prompts = Prompts(prefix, suffix, SuffixLengths(map(len, ids)))
    torch.testing.assert_close(
        TextTower(model)(prompts)[0], model.encode_text(tokens), rtol=1e-10, atol=1e-12
    )


def test_what_stands_behind_the_end_token_has_no_influence(model):
    prompts = _prompts(0, 1, 3, [2, 5])
    changed = F.pad(prompts.suffix.detach(), (0, 0, 0, 2), value=100.0)  # longer than all suffixes
    changed[0, 2:] = 100.0
    tower = TextTower(model)
    before, after = (
        tower(prompts),
        tower(Prompts(prompts.prefix, changed, prompts.lengths, prompts.deep)),
    )
    assert torch.equal(before, after)
