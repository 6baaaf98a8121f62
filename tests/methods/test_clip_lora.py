"""CLIP-LoRA against open_clip's own model with changed weights, in value and gradient."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from parity import parity_clip
from vlprompt_pipeline.clip import memory
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.methods import ClassTexts, get_method

CLASSES = ClassTexts(("dog", "fire truck"), "a photo of a {}.")


def learner(clip, rank: int = 2, alpha: float = 3.0, dropout: float = 0.25):
    method = get_method("clip_lora")
    chosen = method.parameters(rank=rank, alpha=alpha, dropout=dropout)
    made = method.learner(clip, CLASSES, chosen, torch.Generator().manual_seed(0))
    return made.to(clip.dtype).eval()


def away_from_zero(made) -> None:
    """B is zero at first, which would hide A."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "_b." in name:
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(0.05 * noise)


def images(clip) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    size = clip.preprocessing.size
    return torch.randn(3, 3, size, size, generator=generator, dtype=torch.float64)


def slow_logits(clip, made, pixels: torch.Tensor, scale: float) -> torch.Tensor:
    """The whole model with W + s B A, part by part, and 77 tokens for each class."""
    changed = {}
    for tower, path in (("text", "transformer"), ("image", "visual.transformer")):
        for depth in range(len(getattr(clip, tower).blocks)):
            name = f"{path}.resblocks.{depth}.attn.in_proj_weight"
            weight = dict(clip.model.named_parameters())[name]
            a, b = getattr(made, f"{tower}_a")[depth], getattr(made, f"{tower}_b")[depth]
            width = weight.shape[1]
            rows = [
                weight[part * width : (part + 1) * width] + scale * (b[part] @ a[part])
                for part in range(3)
            ]
            changed[name] = torch.cat(rows)
    words = [f"a photo of a {name}." for name in CLASSES.names]
    tokens = open_clip.tokenize(words)
    found = torch.func.functional_call(clip.model, changed, (pixels, tokens))
    return clip.logit_scale * found[0] @ found[1].T


def test_texts_beyond_the_memory_are_computed_again_with_the_same_gradients(monkeypatch):
    """Changed weights are no inputs of a part of the tower, and have gradients all the same."""
    clip, recomputed = parity_clip("float64"), []
    original = memory.checkpoint
    monkeypatch.setattr(
        memory, "checkpoint", lambda *given, **how: recomputed.append(1) or original(*given, **how)
    )
    gradients = []
    for budget in (1 << 40, 0):
        made = learner(clip.computing(clip.dtype, budget)).train()
        away_from_zero(made)
        losses = made.losses(images(clip), torch.tensor([0, 1, 1]))
        gradients.append(torch.autograd.grad(sum(losses.values()), list(made.parameters())))
        assert bool(recomputed) == (budget == 0)
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_it_equals_the_formula_in_value_and_gradient():
    clip = parity_clip("float64")
    made, pixels = learner(clip), images(clip)
    away_from_zero(made)
    labels = torch.tensor([0, 1, 1])
    slow = slow_logits(clip, made, pixels, 3.0 / math.sqrt(2))
    ours = made.logits(made.image_side().encode_images(pixels))
    torch.testing.assert_close(ours, slow, rtol=1e-9, atol=1e-9)
    parameters = list(made.parameters())
    expected = torch.autograd.grad(F.cross_entropy(slow, labels), parameters)
    found = torch.autograd.grad(sum(made.losses(pixels, labels).values()), parameters)
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-12)


def test_it_starts_as_zero_shot_clip(tiny_clip):
    made = learner(tiny_clip)
    words = [f"a photo of a {name}." for name in CLASSES.names]
    torch.testing.assert_close(made.class_features(), tiny_clip.encode_texts(words))
    pixels = images(tiny_clip).float()
    encoded = made.image_side().encode_images(pixels)
    torch.testing.assert_close(encoded, tiny_clip.encode_images(pixels))


def test_its_template_may_be_another_than_the_datasets(tiny_clip):
    method = get_method("clip_lora")
    own = method.parameters(rank=2, alpha=1.0, dropout=0.0)
    assert "template" not in own.model_dump(), "prompts of before hash as they did"
    other = method.parameters(rank=2, alpha=1.0, dropout=0.0, template="{} texture.")
    made = method.learner(tiny_clip, CLASSES, other, torch.Generator().manual_seed(0))
    words = [f"{name} texture." for name in CLASSES.names]
    torch.testing.assert_close(made.class_features(), tiny_clip.encode_texts(words))


def test_features_are_known_by_their_weights(tiny_clip):
    made = learner(tiny_clip)
    before = made.image_side().identity_sha256
    assert before == learner(tiny_clip).image_side().identity_sha256
    away_from_zero(made)
    assert made.image_side().identity_sha256 not in (before, tiny_clip.identity_sha256)


def test_dropout_falls_in_training_only(tiny_clip):
    made = learner(tiny_clip, dropout=0.5)
    away_from_zero(made)
    still = made.class_features()
    assert torch.equal(still, made.class_features())
    made.train()
    assert not torch.equal(made.class_features(), made.class_features())
    whole = made.text_a[0]
    kept = (made.draws.dropout(whole, 0.5, (3, 1, whole.shape[-1])) / whole).round()
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept[:, 0], kept[:, 1]), "an input is dropped for all ranks"


def test_the_frozen_towers_stay_as_they_are(tiny_clip):
    blocks = tiny_clip.text.blocks
    before = [block.attn.in_proj_weight.clone() for block in blocks]
    made = learner(tiny_clip)
    away_from_zero(made)
    sum(made.losses(images(tiny_clip).float(), torch.tensor([0, 1, 1])).values()).backward()
    assert tiny_clip.text.blocks is blocks
    for block, weight in zip(blocks, before, strict=True):
        assert torch.equal(block.attn.in_proj_weight, weight)
        assert block.attn.in_proj_weight.grad is None
