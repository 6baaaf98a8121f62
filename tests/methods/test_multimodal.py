"""Prompts in both towers: initial values, refusals, sizes (test_official.py has the numbers)."""

from __future__ import annotations

import json
from copy import copy

import pytest
import torch

from clips import frozen_clip
from learners import CLASSES, TRAINING
from parity import DATA, load_case, parity_clip
from vlprompt_pipeline.backbones import small_clip
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.export import load_learner, pack, pack_learner, prompt_sizes
from vlprompt_pipeline.methods import (
    ClassTexts,
    PromptLearner,
    Recipe,
    build_learner,
    build_plain,
    resolve_recipe,
)
from vlprompt_pipeline.methods.promptsrc import Aggregation, epoch_weights

TEXT = {"length": 2, "init": "a photo of a", "depth": 2}
BOTH = {**TEXT, "image_length": 3, "image_depth": 2}
HELD = {"text_weight": 25, "image_weight": 10, "logit_weight": 1}
PROMPTS = {
    "deep_language": TEXT,
    "deep_vision": {"length": 3, "depth": 2, "templates": "photo"},
    "ivlp": BOTH,
    "maple": TEXT,
    "promptsrc": {
        **BOTH,
        **HELD,
        "templates": "imagenet_60",
        "aggregation": {"mean": 2.0, "std": 1.0},
    },
}
WITH_PIXELS = sorted(PROMPTS.keys() - {"deep_language"})


def recipe(method: str, **prompt) -> Recipe:
    values = {"method": method, "title": "", "training": TRAINING}
    return resolve_recipe("it", {"it": {**values, "prompt": {**PROMPTS[method], **prompt}}})


def build(clip: FrozenClip, method: str, seed: int = 0, **prompt) -> PromptLearner:
    return build_plain(recipe(method, **prompt), clip, CLASSES, seed)


def clip_of(vision: dict, text: dict, name: str = "other") -> FrozenClip:
    """A CLIP of random weights with these towers."""
    text = {"context_length": 77, "vocab_size": 49408, **text}
    torch.manual_seed(0)
    model = open_clip.CLIP(64, vision, text, quick_gelu=True)
    return frozen_clip(model, name)


def test_the_first_words_are_trained_and_the_others_stay(tiny_clip):
    learner = build(tiny_clip, "maple")
    embedded = tiny_clip.embed(tiny_clip.token_ids("a photo of a"))
    assert torch.equal(learner.context, embedded[:2])
    assert torch.equal(learner.words, embedded[2:])
    assert "words" not in learner.prompt_tensors()


def test_official_initial_values():
    """As theirs: two words, 0.02, and projections that are copies behind the first."""
    case, clip = load_case("maple-2-depth3"), parity_clip("float32")
    learner = build(clip, "maple", depth=3)
    assert torch.equal(learner.context, case("initial/context"))
    deep = torch.stack([*build(clip, "maple", length=40, init=None, depth=3).deep_context])
    assert abs(deep.std().item() - 0.02) < 0.001
    theirs = [case(f"initial/vision_projection_block_{i}.weight") for i in range(3)]
    for weights in (theirs, [p.weight for p in learner.projections]):
        assert torch.equal(weights[1], weights[2])
        assert not torch.equal(weights[0], weights[1])
        assert 0.12 < weights[0].abs().max() <= 64**-0.5


@pytest.mark.parametrize("method", ["deep_language", "maple", "ivlp"])
def test_without_words_the_name_follows_the_vectors(tiny_clip, method):
    learner = build(tiny_clip, method, init=None, length=6)
    assert learner.context.shape == (6, 32)
    assert learner.context.std().item() == pytest.approx(0.02, rel=0.2)
    assert len(learner.words) == 0
    assert learner.class_features().shape == (3, 16)


def test_more_vectors_than_words_are_refused(tiny_clip):
    sentence = "has 4 tokens, fewer than prompt.length, which is 5; lower that, or set init to null"
    with pytest.raises(ConfigError, match=sentence):
        build(tiny_clip, "maple", length=5)


@pytest.mark.parametrize(
    ("method", "parameter"),
    [
        ("deep_language", "depth"),
        ("maple", "depth"),
        ("ivlp", "image_depth"),
        ("deep_vision", "depth"),
    ],
)
def test_a_shallower_tower_is_prompted_in_all_of_its_blocks(tiny_clip, caplog, method, parameter):
    shallow, whole = (
        build(tiny_clip, method, **{parameter: 3}),
        build(tiny_clip, method, **{parameter: 2}),
    )
    assert f"prompt.{parameter} is 3, but tiny has 2 blocks" in caplog.text
    shapes = [[p.shape for p in learner.parameters()] for learner in (shallow, whole)]
    assert shapes[0] == shapes[1]


def test_a_name_too_long_for_a_template_is_refused_before_any_is_encoded(tiny_clip):
    clip = copy(tiny_clip)
    clip.encode_texts_raw = lambda *_: pytest.fail("texts are encoded")
    classes = ClassTexts(("cat", "very " * 66 + "long"), "{}")
    with pytest.raises(DataError, match="tokens, but tiny reads at most 77"):
        build_plain(recipe("promptsrc"), clip, classes)


def test_a_text_that_fills_the_context_is_taken_also_where_none_begins_with_a_token():
    clip = small_clip("ViT-B-16-SigLIP")
    template = "{}" + " a" * 62
    words = clip.token_ids(template.format("cat"))  # the last of 64 tokens is that of the end
    assert (len(words), clip.context_length, clip.tokenizer.start) == (63, 64, ())
    chosen = recipe("promptsrc", init=None, templates="benchmark")
    build_plain(chosen, clip, ClassTexts(("cat",), template))
    with pytest.raises(DataError, match="has 65 tokens"):
        build_plain(chosen, clip, ClassTexts(("cat",), f"{template} a"))


def test_without_a_vit_prompts_in_the_text_still_work():
    resnet = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}
    clip = clip_of(resnet, {"width": 32, "heads": 2, "layers": 2}, "rn")
    assert build(clip, "deep_language").reads == "features"
    for method in WITH_PIXELS:
        with pytest.raises(ConfigError, match="^method: it changes .*, but rn has another"):
            build(clip, method)


@pytest.mark.parametrize("method", WITH_PIXELS)
def test_the_image_side_is_known_by_its_prompts(tiny_clip, method):
    sides = [build(tiny_clip, method, seed).image_side() for seed in (0, 0, 1)]
    hashes = [side.identity_sha256 for side in sides]
    assert hashes[0] == hashes[1] != hashes[2]
    assert tiny_clip.identity_sha256 not in hashes
    assert build(tiny_clip, "deep_language").image_side() is tiny_clip


def test_weights_of_epochs_are_the_published_ones():
    for case in json.loads((DATA / "aggregation_weights.json").read_text())["cases"]:
        aggregation = Aggregation(mean=case["mean"], std=case["std"])
        ours = epoch_weights(case["epochs"], aggregation)
        golden = torch.tensor(case["weights"], dtype=torch.float64)
        torch.testing.assert_close(ours, golden, rtol=1e-9, atol=0)


def test_the_mean_over_epochs_is_their_weighted_sum(tiny_clip):
    learner = build(tiny_clip, "promptsrc").double()
    weights = epoch_weights(4, learner.settings.aggregation)
    expected = torch.zeros_like(learner.context)
    for epoch in range(4):
        with torch.no_grad():
            learner.context += torch.randn_like(learner.context)
            expected += weights[epoch] * learner.context
        learner.epoch_done(epoch, 4)
    torch.testing.assert_close(learner.context, expected, rtol=1e-12, atol=1e-14)
    assert learner.get_extra_state().numel() == 0, "what is stored has it once"


def test_a_checkpoint_holds_the_mean_so_far(tiny_clip):
    one, other = build(tiny_clip, "promptsrc"), build(tiny_clip, "promptsrc", seed=1)
    one.epoch_done(0, 3)
    other.load_state_dict(one.state_dict())
    for learner in (one, other):
        with torch.no_grad():
            learner.context.add_(1)
        learner.epoch_done(1, 3)
        learner.epoch_done(2, 3)
    assert torch.equal(one.context, other.context)


@pytest.fixture(scope="module")
def vit_b16() -> FrozenClip:
    """Widths and depths of ViT-B/16; what no prompt depends on is made small."""
    small = {"layers": 12, "mlp_ratio": 0.01}
    vision = {"image_size": 16, "width": 768, "head_width": 64, "patch_size": 16, **small}
    return clip_of(vision, {"width": 512, "heads": 8, **small}, "vit_b16")


@pytest.mark.parametrize(
    ("method", "prompt", "trainable"),
    [
        ("maple", {"depth": 9}, 2 * 512 + 8 * 2 * 512 + 9 * (512 * 768 + 768)),
        ("ivlp", {"length": 4, "depth": 9, "image_length": 4, "image_depth": 9}, 46_080),
        ("promptsrc", {"length": 4, "depth": 9, "image_length": 4, "image_depth": 9}, 46_080),
        ("deep_language", {"length": 4, "depth": 12}, 12 * 4 * 512),
        ("deep_vision", {"length": 8, "depth": 12}, 12 * 8 * 768),
    ],
)
def test_trainable_numbers(vit_b16, method, prompt, trainable):
    learner = build(vit_b16, method, **prompt)
    assert sum(p.numel() for p in learner.parameters()) == trainable


def test_qmaple_takes_a_quarter_of_maple(vit_b16):
    """Published: 7,096 KB and 1,774 KB, which is 4 bits a value, without biases."""
    maple = recipe("maple", depth=9, projection_bias=False)
    quantized = resolve_recipe(
        "q", {"it": maple.model_dump(), "q": {"extends": "it", "quantize": {"bits": 4}}}
    )
    plain = prompt_sizes(pack_learner(build_learner(maple, vit_b16, CLASSES, 0), maple))
    packed = pack_learner(build_learner(quantized, vit_b16, CLASSES, 0), quantized)
    sizes = prompt_sizes(packed)
    assert plain.payload_bytes == 7_096_320
    assert sizes.payload_bits // 8 == 1_774_080
    tensors = 9 + 9  # prompts and weights; a codebook has 16 entries of 2 bytes
    plainly = sizes.payload_bits // 8 + 32 * tensors  # without entropy coding, which saves little
    assert 0.99 * plainly < sizes.payload_bytes <= plainly
    assert sizes.file_bytes == len(pack(packed)) <= 1_776_000
    assert sizes.fp16_bytes == plain.fp16_bytes
    again = load_learner(pack(packed), quantized, vit_b16, CLASSES).prompt_tensors()
    assert len(again) == tensors
    assert all(tensor.unique().numel() <= 16 for tensor in again.values())
