"""Towers walked block by block equal open_clip's on every kind that is walked."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from learners import RECIPES
from training.recipes import ready_to_train, short_recipe
from vlprompt_pipeline.backbones import cut_recipes, small_clip
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, FrozenClip, ImageSet
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.methods import ClassTexts, build_learner, get_method, resolve_recipe
from vlprompt_pipeline.methods.walked_text import WalkedTexts
from vlprompt_pipeline.methods.walked_towers import Passing, WalkedImages, blocks_from

KINDS = (
    "ViT-B-16",
    "ViT-B-16-SigLIP",  # whole texts, read at the last place; a pooling head over patches
    "ViT-H-14-CLIPA",  # no start token; a mean over patches
    "ViT-L-14-worldwide",
    "EVA02-E-14",
    "PE-Core-T-16-384",  # rotary positions
)
TEXTS = ["a photo of a cat.", "a photo of a picture of the dog.", "a photo of an dog 'cat'!"]


@pytest.fixture(params=KINDS)
def clip(request) -> FrozenClip:
    return small_clip(request.param)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def pixels(clip: FrozenClip) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, *clip.preprocessing.height_width, generator=generator)


def replace(values: Tensor, first: int, depth: int, x: Tensor, start: int) -> Tensor:
    """Tokens `[blocks, n, width]` of blocks from `first` on."""
    if depth < first:
        return x
    own = values[depth - first].expand(*x.shape[:-2], -1, -1)
    rest = x[..., start + (depth > first) * values.shape[1] :, :]
    return torch.cat([x[..., :start, :], own, rest], dim=-2)


def slow_texts(clip: FrozenClip, values: Tensor, first: int) -> Tensor:
    """Whole sequences through open_clip's own blocks, tokens put in as MMRL does."""
    tower, start = clip.text, clip.text.start_tokens
    pad = getattr(tower, "_padding", torch.zeros(clip.text_width))
    rows = []
    for text in TEXTS:
        ids = [*clip.tokenizer.start, *clip.token_ids(text), clip.tokenizer.end]
        x = torch.cat([clip.embed(ids), pad.expand(clip.context_length - len(ids), -1)])
        x = (x + tower.positions)[None]
        kind = getattr(tower, "pool_type", "end")
        place = {"first": 0, "last": clip.context_length - 1}.get(kind, len(ids) - 1)
        for depth, block in enumerate(tower.blocks):
            x = replace(values, first, depth, x, start)
            whole = x.shape[1]
            mask = None if tower.mask is None else torch.full((whole, whole), -torch.inf).triu(1)
            x = block(x, attn_mask=mask)
        rows.append(tower.read(x[0, place + values.shape[1] * (place >= start)]))
    return F.normalize(torch.stack(rows), dim=-1)


@torch.no_grad()
def test_unchanged_they_are_the_towers(clip):
    texts, images = clip.encode_texts(TEXTS), clip.encode_images(pixels(clip))
    for unchanged in (0, 1):
        close(WalkedTexts(clip, TEXTS, unchanged=unchanged).features(clip), texts)
        close(WalkedImages.begin(clip, pixels(clip), unchanged).features()[0], images)
    rows = torch.tensor([2, 0])
    close(WalkedTexts(clip, TEXTS).features(clip, rows=rows), texts[rows])
    close(WalkedTexts(clip, TEXTS[:1]).features(clip), texts[:1])


@torch.no_grad()
def test_what_comes_out_of_unchanged_blocks_is_that_of_the_precision_in_use(tiny_clip):
    lower, walked = tiny_clip.computing(torch.bfloat16), WalkedTexts(tiny_clip, TEXTS, unchanged=1)
    single = walked.features(tiny_clip)
    expected = WalkedTexts(lower, TEXTS, unchanged=1).features(lower)
    assert torch.equal(walked.features(lower), expected)
    assert not torch.equal(expected.float(), single)


def test_the_shallower_tower_decides_how_many_blocks_are_met():
    towers = {"text": SimpleNamespace(blocks=[1, 2, 3, 4]), "image": SimpleNamespace(blocks=[1, 2])}
    for text, image in (("text", "image"), ("image", "text")):
        clip = SimpleNamespace(
            text=towers[text], image=towers[image], name="it", require_attention_weights=list
        )
        assert [blocks_from(first, clip) for first in (0, 1)] == [2, 1]
        with pytest.raises(ConfigError, match="first_block is 2, but it has 2 blocks"):
            blocks_from(2, clip)


@torch.no_grad()
@pytest.mark.parametrize("first", [0, 1])
def test_tokens_put_in_between_are_those_of_the_slow_way(clip, first):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, 3, clip.text_width, generator=generator)
    walked = WalkedTexts(clip, TEXTS, inserted=3, unchanged=first)
    found = walked.features(clip, enter=partial(replace, values, first))
    close(found, slow_texts(clip, values, first))


@torch.no_grad()
def test_tokens_in_images_are_those_of_prompts(clip):
    """From the first block on they are prompts, which pass the norm before that block."""
    visual = clip.model.visual
    norm = visual.trunk.norm_pre if hasattr(visual, "trunk") else visual.ln_pre
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, 3, clip.image.width, generator=generator)
    enter = partial(replace, torch.stack([norm(values[0]), values[1]]), 0)
    found, tokens = WalkedImages.begin(clip, pixels(clip)).features(enter=enter, inserted=3)
    close(found, F.normalize(clip.image(pixels(clip), list(values)), dim=-1))
    assert tokens.shape == (2, 3, clip.image.width)


@torch.no_grad()
def test_other_norms_are_those_of_a_model_that_has_them(clip):
    changed = copy.deepcopy(clip)
    generator = torch.Generator().manual_seed(2)
    norms: dict[str, list[Tensor]] = {"text": [], "image": []}
    for tower, names in (("text", ("ln_1", "ln_2")), ("image", ("ln_1", "ln_2"))):
        for block in getattr(changed, tower).blocks:
            if hasattr(block, "norm1"):
                names = ("norm1", "norm2")
            parts = [getattr(getattr(block, n), p) for n in names for p in ("weight", "bias")]
            for part in parts:
                part.add_(0.3 * torch.randn(part.shape, generator=generator))
            norms[tower].append(torch.stack(list(parts)))

    def step(tower: str, depth: int, passing: Passing) -> Tensor:
        return passing.run(norms[tower][depth])

    found = WalkedTexts(clip, TEXTS).features(clip, partial(step, "text"))
    close(found, changed.encode_texts(TEXTS))
    found = WalkedImages.begin(clip, pixels(clip)).features(partial(step, "image"))[0]
    close(found, changed.encode_images(pixels(clip)))
    before = clip.encode_images(pixels(clip))
    assert not torch.allclose(found, before, atol=1e-3)


@pytest.mark.parametrize(
    "model", ["ViT-B-16", "EVA02-B-16", "convnext_base", "MobileCLIP-S1", "ViTamin-S", "RN50"]
)
def test_prolip_starts_as_zero_shot_on_every_tower_with_a_last_map(model):
    clip = small_clip(model)
    chosen = get_method("prolip").parameters(templates="photo", weight=0.1)
    classes = ClassTexts(("cat", "dog"), "{}")
    prolip = get_method("prolip").learner(clip, classes, chosen, torch.Generator())
    features = prolip.image_side().encode_images(pixels(clip))
    assert features.shape == (2, prolip.image_width)
    texts = clip.encode_texts(["a photo of a cat.", "a photo of a dog."])
    with torch.no_grad():
        expected = clip.logit_scale * clip.encode_images(pixels(clip)) @ texts.T
        close(prolip.logits(features), expected)
        prolip.projection.mul_(1.5)
        close(clip.logit_scale * clip.encode_images(pixels(clip)) @ texts.T, expected)


@pytest.mark.parametrize("name", RECIPES)
def test_what_encodes_images_computes_as_the_clip_and_has_its_name(name):
    clip = small_clip("ViT-B-16")
    recipe = resolve_recipe(name, cut_recipes(RECIPES))
    classes = ClassTexts(("cat", "dog", "photo"), "a photo of a {}.")
    side = build_learner(recipe, clip, classes, seed=1).image_side()
    assert (side.arithmetic, side.name) == (clip.arithmetic, clip.name)
    assert len(side.identity_sha256) == 64
    others = ClassTexts(("cow", "fox", "owl"), "a photo of a {}.")
    beside = build_learner(recipe, clip, others, seed=1).image_side()
    assert beside.identity_sha256 == side.identity_sha256, "base and new classes share features"


@pytest.mark.parametrize("name", ["maple", "clip_lora", "mma", "mmrl", "two_stage", "prolip"])
def test_images_of_methods_with_towers_of_their_own_can_be_stored(name, tiny_clip, tmp_path):
    learner, _ = ready_to_train(short_recipe(name), tiny_clip)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    images = ImageSet(tmp_path, ("red.png",), (f"sha256:{sha256_file(tmp_path / 'red.png')}",))
    side, view = learner.image_side(), EvaluationView(tiny_clip.preprocessing)
    with torch.no_grad():
        stored = FeatureStore(tmp_path / "store").extract(side, images, view)
        assert stored.of(side).shape == (1, 1, learner.image_width)
