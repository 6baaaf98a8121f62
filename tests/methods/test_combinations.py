"""Combinations by conf alone: what goes together trains and ships, what contradicts is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners import CLASSES, RECIPES, unit_vectors
from vlprompt_pipeline.clip.known_words import KnownWords
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.export import DenseTensor, load_learner, pack, pack_learner
from vlprompt_pipeline.methods import (
    FewShotFeatures,
    PromptLearner,
    Recipe,
    build_learner,
    fit_learner,
    quantize_after,
    resolve_recipe,
    restore_learner,
    stored_recipe,
)
from vlprompt_pipeline.parametrizations import QuantizeConfig, quantized_tensors
from vlprompt_pipeline.parametrizations.low_rank import LowRank
from vlprompt_pipeline.parametrizations.naming import links
from vlprompt_pipeline.training import CachedViews, train

RANK_ONE = {"low_rank": {"rank": 1, "dropout": 0.3, "dropped": "A"}}
ONE_BIT = {"quantize": {"bits": 1}}
NOISE = {"noise": {"std": 0.1}}
KNOWLEDGE = {"method": "kgcoop", "prompt": {"weight": 8.0, "templates": "benchmark"}}
ONE_BLOCK = {"prompt": {"layer": 1}}

TOGETHER = {
    "quantized_coop": {"extends": "coop", **ONE_BIT},
    "quantized_cocoop": {"extends": "cocoop", **ONE_BIT},
    "quantized_rlp": {"extends": "rlp", **ONE_BIT},
    "quantized_variational": {"extends": "variational", **ONE_BIT},
    "quantized_variational_by_image": {"extends": "variational_conditional", **ONE_BIT},
    "quantized_tcp": {"extends": "tcp", **ONE_BIT, **ONE_BLOCK},
    "quantized_clip_adapter": {"extends": "clip_adapter", "quantize": {"bits": 2}},
    "low_rank_cocoop": {"extends": "cocoop", **RANK_ONE},
    "low_rank_tcp": {"extends": "tcp", **RANK_ONE, **ONE_BLOCK},
    "low_rank_variational": {"extends": "variational", **RANK_ONE},
    "low_rank_quantized_cocoop": {"extends": "cocoop", **RANK_ONE, **ONE_BIT},
    "kgcoop_of_rlp": {"extends": "rlp", **KNOWLEDGE},
    "kgcoop_of_qcoop": {"extends": "qcoop", **KNOWLEDGE},
    "prograd_of_qrlp": {"extends": "prograd", **RANK_ONE, **ONE_BIT},
}
FEW = {"epochs": 3, "batch_size": 6, "lr": 0.02, "warmup_epochs": 0}


def resolved(name: str):
    own = TOGETHER[name]
    return resolve_recipe(name, {**RECIPES, name: {**own, "training": FEW}})


def data(clip) -> tuple[Tensor, Tensor]:
    return unit_vectors(12, 1, clip.embed_dim), torch.arange(12) % 3


def trained(name: str, clip) -> tuple[PromptLearner, list[dict]]:
    recipe, (features, labels) = resolved(name), data(clip)
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    return learner, train(learner, CachedViews(features, labels, 6, seed=1), recipe.training)


@pytest.mark.parametrize("name", TOGETHER)
def test_a_combination_trains_what_it_names_and_ships(name, tiny_clip):
    recipe = resolved(name)
    learner, rows = trained(name, tiny_clip)
    assert all(torch.isfinite(torch.tensor(row["loss"])) for row in rows)
    quantized = {found for found, _, _ in quantized_tensors(learner)}
    low_rank = {found for found, _ in links(learner, LowRank)}
    assert low_rank == ({"context"} if recipe.low_rank else set())
    assert bool(quantized) == bool(recipe.quantize)
    if recipe.low_rank and recipe.quantize:
        assert {"context.a", "context.b"} <= quantized
    features, _ = data(tiny_clip)
    packed = pack(pack_learner(learner, recipe))
    shipped = load_learner(packed, recipe, tiny_clip, CLASSES)
    with torch.no_grad():
        ours, theirs = (each.logits(features[:, 0]) for each in (shipped, learner))
    assert torch.allclose(ours, theirs, atol=0.01 * tiny_clip.logit_scale)
    if recipe.quantize:
        assert torch.equal(ours, theirs)


def test_what_extends_is_not_called_as_what_it_extends():
    """A table of both would have two rows of one name."""
    mine = {"extends": "coop", "quantize": {"bits": 2}}
    recipes = {**RECIPES, "mine": mine, "yours": {"extends": "mine", "title": "CoOp, yours"}}
    titles = [resolve_recipe(name, recipes).title for name in ("coop", "mine", "yours")]
    assert titles == ["CoOp", "mine", "CoOp, yours"]


@pytest.mark.parametrize(
    ("title", "own", "expected"),
    [
        ("QCoOp, 1 bit", {"quantize": {"bits": 2}}, "QCoOp, 2 bits"),
        ("QCoOp, 2 bits", {"quantize": {"bits": 1}}, "QCoOp, 1 bit"),
        (
            "RLP, rank 1, 1 bit",
            {"low_rank": {"rank": 3, "dropout": 0}, "quantize": {"bits": 4}},
            "RLP, rank 3, 4 bits",
        ),
        ("Mine of 1 bit", {}, "Mine of 1 bit"),  # nothing is quantized: whatever it means
    ],
)
def test_a_title_names_the_bits_and_the_rank_that_there_are(title, own, expected):
    """A run may set others than conf, whose title stands in every table."""
    recipe = {"extends": "coop", "title": title, **own}
    assert resolve_recipe("mine", {**RECIPES, "mine": recipe}).title == expected


def fitted(recipe, clip) -> PromptLearner:
    """A learner of any method on what it reads, with its initial or fitted tensors."""
    features, labels = data(clip)
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    if learner.fitted:
        few_shot = FewShotFeatures(features[:, 0], labels, features[:, 0], labels, features)
        fit_learner(learner, recipe, few_shot, seed=1)
    return learner


def of_two_blocks(name: str) -> Recipe:
    """A recipe of conf with the depth of the tiny CLIP."""
    depths = {"depth", "image_depth"} & resolve_recipe(name, RECIPES).prompt.model_fields_set
    prompt = dict.fromkeys(depths, 2)
    return resolve_recipe("mine", {**RECIPES, "mine": {"extends": name, "prompt": prompt}})


@pytest.mark.parametrize("name", RECIPES)
def test_no_tensor_is_named_as_a_method_of_torch_that_holds_parametrizations(name, tiny_clip):
    """`nn.ModuleDict` holds them by tensor, and refuses `keys`, `pop`, `training` and such."""
    learner = fitted(of_two_blocks(name), tiny_clip)
    taken = set(dir(nn.ModuleDict()))
    assert not taken & {key.rpartition(".")[2] for key, _ in learner.named_parameters()}


OF_EACH_METHOD = {resolve_recipe(name, RECIPES).method: name for name in RECIPES}


@pytest.mark.parametrize("method", sorted(OF_EACH_METHOD.keys() - {"linear_probe"}))
def test_class_names_that_the_clip_never_met_are_warned_of(method, tiny_clip, monkeypatch, caplog):
    tokenizer = tiny_clip.tokenizer
    met = frozenset(tokenizer.vocabulary()) - set(tokenizer.encode("boat"))
    monkeypatch.setattr(tiny_clip, "words", KnownWords(tokenizer, met, "tiny"))
    build_learner(of_two_blocks(OF_EACH_METHOD[method]), tiny_clip, CLASSES, seed=1)
    assert "never saw these words and cannot tell them apart: boat" in caplog.text


@pytest.mark.parametrize(
    "parts",
    [
        {**RANK_ONE, "quantize": {"bits": 1, "post_training": True}},
        {**RANK_ONE, "quantize": {"bits": 1, "quantizer": "gaussian"}},
        {**NOISE, "quantize": {"bits": 1, "quantizer": "stochastic"}},
    ],
)
def test_a_restored_learner_shows_what_was_trained(parts, tiny_clip):
    recipe = resolve_recipe("mine", {**RECIPES, "mine": {"extends": "coop", **parts}})
    recipe = recipe.model_copy(update={"training": resolved("quantized_coop").training})
    features, labels = data(tiny_clip)
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    assert not any(each.quantizer.ready for each in quantized_tensors(learner)), "made for nothing"
    train(learner, CachedViews(features, labels, 6, seed=1), recipe.training)
    state = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    again = restore_learner(recipe, tiny_clip, CLASSES, state)
    assert torch.equal(again.class_features(), learner.class_features())


@pytest.mark.parametrize("name", ["tip_adapter", "tip_adapter_f"])
def test_files_with_the_former_name_of_tip_adapters_images_are_read(name, tiny_clip):
    recipe, (features, _) = resolve_recipe(name, RECIPES), data(tiny_clip)
    learner = fitted(recipe, tiny_clip)
    expected = learner.logits(features[:, 0])
    state = {key.replace("images", "keys"): value for key, value in learner.state_dict().items()}
    assert "keys" in state
    again = restore_learner(recipe, tiny_clip, CLASSES, state)
    assert torch.equal(again.logits(features[:, 0]), expected)
    packed = pack_learner(learner, recipe)
    former = {key.replace("images", "keys"): tensor for key, tensor in packed.tensors.items()}
    shipped = load_learner(pack(replace(packed, tensors=former)), recipe, tiny_clip, CLASSES)
    now = load_learner(pack(packed), recipe, tiny_clip, CLASSES)
    assert torch.equal(shipped.logits(features[:, 0]), now.logits(features[:, 0]))


@pytest.mark.parametrize("name", ["tip_adapter", "tip_adapter_f", "gda", "clap", "linear_probe"])
def test_a_classifier_is_quantized_after_training(name, tiny_clip):
    recipe, (features, _) = resolve_recipe(name, RECIPES), data(tiny_clip)
    learner = fitted(recipe, tiny_clip)
    before = learner.logits(features[:, 0])
    after = quantize_after(learner, QuantizeConfig(bits=8))
    shown = after.logits(features[:, 0])
    assert not torch.equal(shown, before)
    shipped = load_learner(pack(pack_learner(after, recipe)), recipe, tiny_clip, CLASSES)
    assert torch.equal(shipped.logits(features[:, 0]), shown)


def test_codes_that_follow_the_images_are_not_chosen_without_them(tiny_clip):
    learner = fitted(resolve_recipe("gda", RECIPES), tiny_clip)
    with pytest.raises(ConfigError, match="moment: few_shot needs the few-shot images"):
        quantize_after(learner, QuantizeConfig(bits=1, moment="few_shot"))


@pytest.mark.parametrize(
    ("name", "moment", "centre"),
    [
        ("linear_probe", "none", True),
        ("linear_probe", "few_shot", True),
        ("tip_adapter", "few_shot", False),
    ],
)
def test_a_fitted_classifier_is_quantized_for_the_images_that_meet_it(
    name, moment, centre, tiny_clip
):
    own = {"extends": name, "quantize": {"bits": 2, "moment": moment}}
    recipe = resolve_recipe("mine", {**RECIPES, "mine": own})
    ((_, link, _),) = quantized_tensors(fitted(recipe, tiny_clip))
    assert link.ready, "a state that is stored has its codebook"
    assert link.config.centre == centre
    if moment == "none":
        assert link.moment is None
        return
    images = data(tiny_clip)[0][:, 0]
    expected = sum(torch.outer(image, image) for image in images) / len(images)
    torch.testing.assert_close(link.moment, expected)


@pytest.mark.parametrize("name", ["kgcoop_of_rlp", "kgcoop_of_qcoop"])
def test_the_loss_of_kgcoop_stays_in_a_combination(name, tiny_clip):
    _, rows = trained(name, tiny_clip)
    assert {"cross_entropy", "knowledge", "loss"} <= set(rows[0])
    for row in rows:
        assert row["loss"] == pytest.approx(row["cross_entropy"] + row["knowledge"], rel=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("gda", {"bias", "names", "strength"}),
        ("clap", {"multipliers"}),
        ("tip_adapter", {"strengths"}),
        ("tip_adapter_f", {"strengths"}),
        ("lp_plus_plus", {"alpha"}),
        ("linear_probe", {"bias"}),
    ],
)
def test_a_classifier_of_few_shot_images_is_quantized_and_ships(name, kept, bits, tiny_clip):
    """All but single numbers a class: the file predicts what the learner does, bit for bit."""
    own = {"extends": name, "quantize": {"bits": bits}}
    if RECIPES[name].get("training") or name == "tip_adapter_f":
        own["training"] = {"epochs": 2, "batch_size": 6}
    recipe = resolve_recipe("mine", {**RECIPES, "mine": own})
    features, labels = data(tiny_clip)
    few_shot = FewShotFeatures(features[:, 0], labels, features[:, 0], labels, features)
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    fit_learner(learner, recipe, few_shot, seed=1)
    if recipe.training:
        train(learner, CachedViews(features, labels, 6, seed=1), recipe.training)
    learner.settle(few_shot)
    packed = pack_learner(learner, recipe)
    assert {n for n, t in packed.tensors.items() if isinstance(t, DenseTensor)} == kept
    assert all(t.values.dtype == np.float32 for n, t in packed.tensors.items() if n in kept)
    shown = load_learner(pack(packed), recipe, tiny_clip, CLASSES).logits(features[:, 0])
    assert torch.equal(shown, learner.logits(features[:, 0]))
    state = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    again = restore_learner(recipe, tiny_clip, CLASSES, state)
    assert torch.equal(again.logits(features[:, 0]), shown)


@pytest.mark.parametrize(
    ("recipes", "sentence"),
    [
        (
            {"coop": {"extends": "qcoop"}},
            "recipes.coop: extends runs in a circle: coop → qcoop → coop",
        ),
        (
            {"mine": {"title": "Mine"}},
            "recipes.mine: give method, or extends with the name of another recipe",
        ),
        (
            {"mine": {"extends": "coopp"}},
            "recipes.mine.extends: unknown recipe 'coopp' (did you mean 'coop'?); allowed: ",
        ),
        (
            {"mine": {"extends": ["coop"]}},
            "recipes.mine.extends is ['coop']: give the name of a recipe",
        ),
        (
            {"mine": {"extends": "coop", "method": "cop"}},
            "recipes.mine.method: unknown method 'cop' (did you mean 'coop'?); allowed: ",
        ),
        (
            {"mine": {"extends": "qcoop", "quantize": {"bits": 9}}},
            "recipes.mine.quantize.bits is 9: input should be less than or equal to 8",
        ),
        (
            {"mine": {"extends": "rlp", "prompt": {"weight": 8.0}}},
            "recipes.mine.prompt: unknown key 'weight'; allowed: ",
        ),
    ],
)
def test_what_is_no_recipe_is_refused(recipes, sentence):
    with pytest.raises(ConfigError) as refused:
        resolve_recipe(next(iter(recipes)), {**RECIPES, **recipes})
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (
            {"extends": "zero_shot", **ONE_BIT},
            "recipes.mine.quantize: zero_shot has no tensors to put it on",
        ),
        (
            {"extends": "zero_shot", **RANK_ONE},
            "recipes.mine.low_rank: zero_shot trains no context to put it on",
        ),
        (
            {"extends": "tip_adapter_f", **NOISE},
            "recipes.mine.noise: tip_adapter_f trains no prompt to put it on",
        ),
        (
            {"extends": "linear_probe", **NOISE},
            "recipes.mine.noise: linear_probe trains no prompt to put it on",
        ),
        (
            {"extends": "clip_adapter", **RANK_ONE},
            "recipes.mine.low_rank: clip_adapter trains no context to put it on",
        ),
        (
            {"extends": "deep_vision", **RANK_ONE},
            "recipes.mine.low_rank: deep_vision trains no context to put it on",
        ),
        (
            {"extends": "mma", "prompt": {"template": "a photo"}},
            "recipes.mine.prompt.template is 'a photo': a template has {} once, where the class "
            "name goes, as 'a photo of a {}.'",
        ),
        (
            {"extends": "two_stage", "prompt": {"template": "a {name}."}},
            "recipes.mine.prompt.template is 'a {name}.': a template has {} once, where the class "
            "name goes, as 'a photo of a {}.'",
        ),
        (
            {"extends": "two_stage", "training": {"restart": 0.5}},
            "recipes.mine.training.restart is 0.5, but two_stage starts its second stage after the "
            "share 0.6 of the epochs: give both the same number",
        ),
        (
            {"extends": "coop", "quantize": {"bits": 1, "moment": "few_shot"}},
            "recipes.mine.quantize.moment: coop is not given all images at once; leave it out, or "
            "quantize gda, clap, tip_adapter, lp_plus_plus or linear_probe",
        ),
        (
            {"extends": "clap", "quantize": {"bits": 1, "moment": "few_shot"}},
            "recipes.mine.quantize.moment: codes are chosen once, so clap takes it with "
            "quantize.post_training: true",
        ),
        (
            {"extends": "coop", "training": None},
            "recipes.mine.training is missing, and coop is nothing without it; give it, or extend "
            "a recipe that has it",
        ),
        (
            {"extends": "tip_adapter", "method": "tip_adapter_f"},
            "recipes.mine.training is missing, and tip_adapter_f is nothing without it; give it, "
            "or extend a recipe that has it",
        ),
        (
            {"extends": "clap", "training": None},
            "recipes.mine.training is missing, and clap is nothing without it; give it, or extend "
            "a recipe that has it",
        ),
        (
            {"extends": "zero", "test_time": {"crop_scale": [0.5, 0.1]}},
            "recipes.mine.test_time.crop_scale is [0.5, 0.1]: the smallest share of the image goes "
            "first, then the largest",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value)[:30],
)
def test_a_contradiction_is_refused_in_a_sentence(recipe, sentence):
    with pytest.raises(ConfigError) as refused:
        resolve_recipe("mine", {**RECIPES, "mine": recipe})
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "name", ["zero_shot", "gda", "tip_adapter", "lp_plus_plus", "linear_probe"]
)
def test_a_method_that_is_whole_without_training_goes_without(name):
    assert resolve_recipe(name, RECIPES).training is None


@pytest.mark.parametrize(
    ("name", "training"), [("two_stage", {"restart": 0.5}), ("two_stage", None), ("coop", None)]
)
def test_a_prompt_that_is_there_is_read_however_it_was_trained(name, training):
    values = resolve_recipe(name, RECIPES).model_dump(mode="json")
    values["training"] = training and {**values["training"], **training}
    stored = stored_recipe(values)
    assert stored.method == name
    assert (stored.training and stored.training.restart) == (training and training["restart"])
    values["prompt"]["wrong"] = 1
    with pytest.raises(ConfigError, match="recipe.prompt: unknown key 'wrong'"):
        stored_recipe(values)


def test_a_learner_may_be_made_without_build(tiny_clip):
    """As those of extensions that override `__init__` and hand the CLIP and the classes on."""

    class Constant(PromptLearner):
        def __init__(self, clip, classes, chosen, generator) -> None:
            super().__init__(clip, classes)
            self.features = torch.nn.Parameter(torch.eye(len(classes.names), clip.embed_dim))

        def class_features(self) -> torch.Tensor:
            return self.features

    made = Constant(tiny_clip, CLASSES, None, torch.Generator())
    assert made.logits(torch.eye(3, tiny_clip.embed_dim)).argmax(-1).tolist() == [0, 1, 2]
    assert made.prompt_names() == ("features",)
