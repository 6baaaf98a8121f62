"""Every way through the text tower gives what open_clip's own modules give."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlprompt_pipeline.clip import Prompts, TextTower
from vlprompt_pipeline.clip._open_clip import open_clip

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


def _prompts(seed: int, groups: int, shared: int, lengths: list[int], deep: int, width: int):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    size = max(1, shared - 1)
    return Prompts(
        prefix=draw(groups, shared, width),
        suffix=draw(len(lengths), max(lengths), width),
        lengths=torch.tensor(lengths),
        deep=[draw(groups, min(size, shared - 1), width) for _ in range(deep)],
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    groups=st.integers(1, 3),
    shared=st.integers(1, 17),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    deep=st.integers(0, 3),
)
def test_agrees_with_full_length_sequences_in_value_and_gradient(
    model, seed, groups, shared, lengths, deep
):
    deep = deep if shared > 1 else 0
    tower = TextTower(model)
    prompts = _prompts(seed, groups, shared, lengths, deep, WIDTH)
    leaves = [prompts.prefix, prompts.suffix, *prompts.deep]
    weights = torch.randn(
        groups, len(lengths), 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    results = []
    for encode in (tower, tower.encode_reference):
        features = encode(prompts)
        loss = (torch.nn.functional.normalize(features, dim=-1) * weights).sum()
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        results.append((features.detach(), gradients))
    (ours, our_gradients), (theirs, their_gradients) = results
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for mine, reference in zip(our_gradients, their_gradients, strict=True):
        mine = torch.zeros_like(reference) if mine is None and reference is not None else mine
        if reference is not None:
            torch.testing.assert_close(mine, reference, rtol=1e-8, atol=1e-11)


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
    prompts = Prompts(prefix, suffix, torch.tensor([len(row) for row in ids]))
    torch.testing.assert_close(
        TextTower(model)(prompts)[0], model.encode_text(tokens), rtol=1e-10, atol=1e-12
    )


def test_what_stands_behind_the_end_token_has_no_influence(model):
    prompts = _prompts(0, 1, 3, [2, 5], 0, WIDTH)
    changed = prompts.suffix.detach().clone()
    changed[0, 2:] = 100.0
    tower = TextTower(model)
    before, after = (
        tower(prompts),
        tower(Prompts(prompts.prefix, changed, prompts.lengths, prompts.deep)),
    )
    assert torch.equal(before[:, 0], after[:, 0])
