"""The image tower with prompts against open_clip's own modules, tokens put in by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clips import frozen_clip
from vlprompt_pipeline.clip import FrozenClip, ImageTower
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import ConfigError

WIDTH, BLOCKS = 32, 4
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}


def build(vision: dict) -> torch.nn.Module:
    torch.manual_seed(0)
    return open_clip.CLIP(16, vision, TEXT, quick_gelu=True).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def visual() -> torch.nn.Module:
    sizes = {"image_size": 24, "layers": BLOCKS, "width": WIDTH, "head_width": 8, "patch_size": 8}
    tower = build(sizes).visual.double()
    for name, parameter in tower.named_parameters():  # zero biases would hide mistakes
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return tower


def by_hand(visual: torch.nn.Module, pixels: Tensor, prompts: list[Tensor]) -> Tensor:
    """Features through whole blocks of open_clip, image by image and token by token."""
    features = []
    for image in pixels:
        patches = visual.conv1(image[None])[0].flatten(1).T
        tokens = [visual.class_embedding + visual.positional_embedding[0]]
        tokens += list(patches + visual.positional_embedding[1:])
        places = range(len(tokens), len(tokens) + (len(prompts[0]) if prompts else 0))
        tokens += list(prompts[0]) if prompts else []
        x = visual.ln_pre(torch.stack(tokens))
        for number, block in enumerate(visual.transformer.resblocks):
            rows = list(x)
            if 0 < number < len(prompts):
                for place, vector in zip(places, prompts[number], strict=True):
                    rows[place] = vector
            x = block(torch.stack(rows)[None])[0]
        features.append(visual.ln_post(x)[0] @ visual.proj)
    return torch.stack(features)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 3),
    length=st.integers(1, 5),
    depth=st.integers(0, BLOCKS),
)
def test_agrees_with_whole_blocks_in_value_and_gradient(visual, seed, images, length, depth):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    pixels, weights = draw(images, 3, 24, 24), draw(images, 16)
    prompts = [draw(length, WIDTH).requires_grad_() for _ in range(depth)]
    ours, theirs = ImageTower(visual)(pixels, prompts), by_hand(visual, pixels, prompts)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    if depth:
        gradients = [torch.autograd.grad((f * weights).sum(), prompts) for f in (ours, theirs)]
        for mine, reference in zip(*gradients, strict=True):
            torch.testing.assert_close(mine, reference, rtol=1e-8, atol=1e-11)


def test_without_prompts_it_is_the_tower_of_open_clip(visual):
    pixels = torch.randn(3, 3, 24, 24, dtype=torch.float64)
    ours = ImageTower(visual)(pixels)
    torch.testing.assert_close(ours, visual(pixels), rtol=1e-10, atol=1e-12)


VIT = {"image_size": 16, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}


@pytest.mark.parametrize(
    "options",
    [
        {"pool_type": "avg"},
        {"pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True},
        {"qk_norm": True, "scale_attn": True},
        {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 3},
    ],
    ids=str,
)
def test_towers_with_options_are_those_of_open_clip_too(options):
    tower, pixels = build(VIT | options).visual, torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(ImageTower(tower)(pixels), tower(pixels), rtol=1e-5, atol=1e-6)


def test_a_pooling_tower_pools_patches_and_no_prompts():
    """With attention that ignores the prompts (zero values), they change nothing."""
    tower, pixels = build(VIT | {"pool_type": "avg"}).visual, torch.randn(2, 3, 16, 16)
    for block in tower.transformer.resblocks:
        block.attn.in_proj_weight.data[64:] = 0
    prompts = [torch.randn(4, 32), torch.randn(4, 32)]
    torch.testing.assert_close(ImageTower(tower)(pixels, prompts), tower(pixels))


def clip_of(vision: dict) -> FrozenClip:
    return frozen_clip(build(vision))


def test_another_tower_is_refused_by_its_kind_and_told_what_works():
    clip = clip_of({"image_size": 32, "layers": [1, 1, 1, 1], "width": 8})
    assert clip.text.has_attention_weights
    with pytest.raises(ConfigError, match=r"but other has another \(ModifiedResNet\); .*coop"):
        _ = clip.image


def test_attention_with_options_cannot_be_replaced():
    clip = clip_of(VIT | {"qk_norm": True})
    assert clip.text.has_attention_weights
    with pytest.raises(ConfigError, match="it needs image attention, but the blocks of other have"):
        clip.require_attention_weights()
