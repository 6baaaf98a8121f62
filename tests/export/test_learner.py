"""From a trained learner to its file and back: every method with every quantizer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from conftest import ROOT
from learners import CLASSES, RECIPES, unit_vectors
from vlprompt_pipeline.errors import PromptFileError, UserError
from vlprompt_pipeline.export import load_learner, pack, pack_learner, unpack
from vlprompt_pipeline.methods import (
    ClassTexts,
    PromptLearner,
    Recipe,
    build_learner,
    quantize_after,
    resolve_recipe,
)
from vlprompt_pipeline.methods.registry import get_method
from vlprompt_pipeline.parametrizations import QUANTIZERS, QuantizeConfig
from vlprompt_pipeline.parametrizations.naming import tensor_name
from vlprompt_pipeline.training import CachedViews, train

RESOLVED = {name: resolve_recipe(name, RECIPES) for name in RECIPES}
TRAINED = [
    name
    for name, recipe in RESOLVED.items()
    if recipe.training and not get_method(recipe.method).learner.fitted and not recipe.projected
]
"""Projected contexts are quantized as they are; tests/parametrizations/test_projected.py."""
NEW = ClassTexts(("old green house", "river"), "a photo of a {}.")
RATE = 0.5  # far from what the prompt started with after few steps


def recipe_of(name: str, **changes) -> Recipe:
    """A recipe of conf, changed, with a short training."""
    training = {"epochs": 2, "batch_size": 4, "lr": RATE, "warmup_lr": RATE}
    depths = {"depth", "image_depth"} & RESOLVED[name].prompt.model_fields_set
    prompt = dict.fromkeys(depths, 2)  # the tiny CLIP has two blocks
    changes = {"extends": name, "training": training, "prompt": prompt, **changes}
    return resolve_recipe("r", {**RECIPES, "r": changes})


def trained(recipe: Recipe, clip, seed: int = 1) -> tuple[PromptLearner, list[dict]]:
    generator = torch.Generator().manual_seed(0)
    learner = build_learner(recipe, clip, CLASSES, seed)
    images = torch.randn(9, 1, learner.image_width, generator=generator)
    if learner.reads == "pixels":
        images = torch.randn(9, 1, 3, 32, 32, generator=generator)
    else:
        images = F.normalize(images, dim=-1)
    batches = CachedViews(images, torch.arange(9) % 3, recipe.training.batch_size, seed)
    return learner, train(learner, batches, recipe.training)


def logits(learner: PromptLearner) -> torch.Tensor:
    images = unit_vectors(5, learner.image_width, seed=1)
    with torch.no_grad():
        return learner.logits(images)


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("name", TRAINED)
def test_the_file_predicts_as_training_ended(name, quantizer, tiny_clip):
    recipe = recipe_of(name, quantize={"quantizer": quantizer, "bits": 2})
    learner, _ = trained(recipe, tiny_clip)
    packed = pack(pack_learner(learner, recipe))
    assert torch.equal(logits(load_learner(packed, recipe, tiny_clip, CLASSES)), logits(learner))
    assert logits(load_learner(packed, recipe, tiny_clip, NEW)).shape == (5, 2)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize(
    "settings",
    [
        {"codebook": "row"},
        {"codebook": "group", "group_size": 16},
        {"normalise": False},
        {"quantizer": "uniform", "post_training": True},
        {"quantizer": "stochastic", "post_training": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["coop", "rlp"])
def test_every_setting_survives_the_file(name, settings, bits, tiny_clip):
    if name == "rlp" and settings.get("group_size"):
        settings = {**settings, "group_size": 2}
    recipe = recipe_of(name, quantize={"bits": bits, **settings})
    learner, _ = trained(recipe, tiny_clip)
    packed = pack(pack_learner(learner, recipe))
    assert torch.equal(logits(load_learner(packed, recipe, tiny_clip, CLASSES)), logits(learner))


@pytest.mark.parametrize("name", ["coop", "rlp", "cocoop"])
def test_after_training_is_training_and_then_quantizing(name, tiny_clip):
    quantize = {"bits": 2, "post_training": True}
    at_once, rows = trained(recipe_of(name, quantize=quantize), tiny_clip)
    plain, _ = trained(recipe_of(name), tiny_clip)
    before = {tensor_name(key): value.clone() for key, value in plain.named_parameters()}
    assert not torch.equal(logits(at_once), logits(plain))
    after = quantize_after(plain, QuantizeConfig(bits=2))
    assert torch.equal(logits(at_once), logits(after))
    packed = pack(pack_learner(after, recipe_of(name)))
    loaded = load_learner(packed, recipe_of(name), tiny_clip, CLASSES)
    assert torch.equal(logits(loaded), logits(after))
    masters = {tensor_name(key): value for key, value in after.named_parameters()}
    assert masters.keys() == before.keys()
    assert all(torch.equal(before[name], masters[name]) for name in masters)
    made = rows[-1]["clusterings"]
    assert {row["step"] for row in made} == {4}
    assert len(made) == len(before)
    with pytest.raises(UserError, match="quantized already"):
        quantize_after(after, QuantizeConfig(bits=2))


def test_every_clustering_is_a_row(tiny_clip):
    quantize = {"bits": 1, "kl_threshold": 0.0, "min_interval_steps": 1}
    _, rows = trained(recipe_of("rlp", quantize=quantize), tiny_clip)
    made = [row for epoch in rows for row in epoch["clusterings"]]
    assert made[0]["step"] == 0
    for name in ("context.a", "context.b"):
        own = [row for row in made if row["tensor"] == name]
        assert [row["step"] for row in own] == sorted({row["step"] for row in own})
        assert sum(epoch[f"{name}.reclustered"] for epoch in rows) == len(own)
        assert all(len(row["codebooks"]) == 1 and len(row["codebooks"][0]) == 2 for row in own)


def test_the_context_hash_is_that_of_the_document(tiny_clip):
    page = (ROOT / "docs" / "packed-format.md").read_text(encoding="utf-8")
    (described,) = re.findall(r"^open_clip.SimpleTokenizer \{.*\}$", page, re.MULTILINE)
    learner, _ = trained(recipe_of("coop"), tiny_clip)
    digest = pack_learner(learner, recipe_of("coop")).context_sha256
    assert digest == hashlib.sha256(described.encode()).hexdigest()
    assert f"`{digest[:8]}`" in page


def test_a_tensor_beyond_half_precision_is_stored_in_single_precision(tiny_clip):
    """Only that tensor: the others stay in half precision."""
    recipe = recipe_of("cocoop")
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    with torch.no_grad():
        learner.meta_net.linear1.bias.fill_(-70000.0)  # of a ReLU: nothing of it is seen
        learner.context[0, 0] = 65504.0
    packed = pack(pack_learner(learner, recipe))
    kept = {name for name, t in unpack(packed).tensors.items() if t.values.dtype == "float32"}
    assert kept == {"meta_net.linear1.bias"}
    loaded = load_learner(packed, recipe, tiny_clip, CLASSES)
    assert torch.equal(loaded.meta_net.linear1.bias, learner.meta_net.linear1.bias)
    assert loaded.context[0, 0] == 65504.0
    with pytest.raises(UserError, match=r"beyond half precision \(65504\).*leave quantize out"):
        pack_learner(quantize_after(learner, QuantizeConfig(bits=1)), recipe)


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_a_tensor_that_is_not_finite_is_refused(value, tiny_clip):
    recipe = recipe_of("coop")
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    with torch.no_grad():
        learner.context[0, 0] = value
    with pytest.raises(PromptFileError, match="'context' has values that are not finite"):
        pack(pack_learner(learner, recipe))


class TestLowRank:
    def test_factors_are_stored_on_top_of_the_words(self, tiny_clip):
        recipe = recipe_of("qrlp")
        learner, _ = trained(recipe, tiny_clip)
        tensors = pack_learner(learner, recipe).tensors
        assert {name: tensor.shape for name, tensor in tensors.items()} == {
            "context.a": (4, 1),
            "context.b": (1, tiny_clip.text_width),
        }

    @pytest.mark.parametrize("quantize", [{"bits": 1}, None])
    def test_what_it_was_drawn_from_is_stored_too(self, tiny_clip, quantize):
        prompt = {**RECIPES["coop"]["prompt"], "init": None}
        recipe = recipe_of("rlp", prompt=prompt, **({"quantize": quantize} if quantize else {}))
        learner, _ = trained(recipe, tiny_clip, seed=0)
        packed = pack(pack_learner(learner, recipe))
        assert unpack(packed).tensors["context.initial"].values.dtype == "float32"
        found = logits(load_learner(packed, recipe, tiny_clip, CLASSES))
        if quantize:
            assert torch.equal(found, logits(learner))
        torch.testing.assert_close(found, logits(learner), rtol=0, atol=0.05)

    def test_factors_that_do_not_fit_are_refused(self, tiny_clip):
        recipe = recipe_of("rlp")
        wide = recipe_of("rlp", prompt={"length": 5, "init": None})
        packed = pack_learner(trained(wide, tiny_clip)[0], wide)
        known = pack_learner(trained(recipe, tiny_clip)[0], recipe).context_sha256
        whole = replace(packed, context_sha256=known)
        with pytest.raises(PromptFileError, match=r"holds \{'context': \(5, 32\)\}"):
            load_learner(pack(whole), recipe, tiny_clip, CLASSES)
        without_b = {name: t for name, t in packed.tensors.items() if name != "context.b"}
        with pytest.raises(PromptFileError, match=r"holds \{'context.a': \(5, 1\)"):
            load_learner(pack(replace(whole, tensors=without_b)), recipe, tiny_clip, CLASSES)
