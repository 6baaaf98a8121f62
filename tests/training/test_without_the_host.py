"""A training step asks its device for nothing and brings nothing to it: it could be recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import yaml
from PIL import Image
from torch.nn import functional as F

from conftest import ROOT
from training.host_reads import HostReadError, NoHost, NoHostTensors, on_meta
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet
from vlprompt_pipeline.files import sha256_file
from vlprompt_pipeline.methods import (
    METHODS,
    ClassTexts,
    FewShotFeatures,
    PromptLearner,
    build_learner,
    fit_learner,
    get_method,
    resolve_recipe,
)
from vlprompt_pipeline.methods.cases import Situation, recipes_in
from vlprompt_pipeline.training.capture import Steps
from vlprompt_pipeline.training.checkpoint import Running
from vlprompt_pipeline.training.optimizers import make_optimizer
from vlprompt_pipeline.training.precision import computing
from vlprompt_pipeline.training.side_by_side import SideBySide

SITUATION = Situation("base_to_new", "caltech101", 4)
CONF = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())["recipes"]
COMBINED = {
    "coop_with_noise": {"extends": "coop", "noise": {"std": 0.1}},
    "coop_in_the_middle": {"extends": "coop", "prompt": {"class_position": "middle"}},
    "coop_by_class": {"extends": "coop", "prompt": {"class_specific": True}},
    "coop_with_adam": {"extends": "coop", "training": {"optimizer": "adam"}},
    "coop_in_bf16": {"extends": "coop", "training": {"precision": "bf16"}},
    "stochastic": {"extends": "coop", "quantize": {"bits": 2, "quantizer": "stochastic"}},
    "gaussian": {"extends": "coop", "quantize": {"bits": 2, "quantizer": "gaussian"}},
    "scaled": {
        "extends": "coop",
        "quantize": {"bits": 2, "codebook": "scaled", "outliers": "keep"},
    },
}
RECIPES = {**recipes_in(SITUATION, CONF), **COMBINED}
TRAINED = [name for name in RECIPES if resolve_recipe(name, RECIPES).training]
ALIKE = {"rlp_maple", "ivlp_low_rank", "qmaple", "rlp", "qcoop", "zs_lp"}
"""Recipes whose parts are all among those of others."""
CLASSES = ClassTexts(("cat", "big red dog", "boat"), "a photo of a {}.")
LABELS = torch.arange(6) % 3


def _smaller(name: str) -> dict:
    """What a recipe needs to fit the two blocks of the tiny CLIP."""
    prompt = resolve_recipe(name, RECIPES).prompt
    most = {"depth": 2, "image_depth": 2, "layer": 1, "first_block": 1}
    return {"extends": name, "prompt": {k: v for k, v in most.items() if hasattr(prompt, k)}}


def _images(learner: PromptLearner) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if learner.reads == "pixels":
        return torch.randn(len(LABELS), 3, 32, 32, generator=generator)
    return F.normalize(torch.randn(len(LABELS), learner.image_width, generator=generator), dim=-1)


def _running(name: str, clip) -> tuple[Running, torch.Tensor]:
    recipe = resolve_recipe("mine", {**RECIPES, "mine": _smaller(name)})
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    images = _images(learner)
    if learner.fitted:
        few_shot = FewShotFeatures(images, LABELS, images, LABELS, images[:, None])
        fit_learner(learner, recipe, few_shot, seed=1)
    learner.train()
    training = recipe.training
    with computing(learner, training) as scaler:
        view = learner.clip
    learner.clip = view
    return Running(learner, make_optimizer(learner, training, on_device=True), scaler), images


def test_every_method_that_trains_is_among_them():
    short = {resolve_recipe(name, RECIPES).method for name in set(TRAINED) - ALIKE}
    assert short == {resolve_recipe(name, RECIPES).method for name in TRAINED}
    untrained = {resolve_recipe(name, RECIPES).method for name in set(RECIPES) - set(TRAINED)}
    assert short | untrained == set(METHODS)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in ALIKE)) for n in TRAINED]
)
def test_a_step_asks_for_nothing(name, tiny_clip, monkeypatch):
    running, images = _running(name, tiny_clip)
    if running.learner.not_capturable:
        steps = Steps(running)
        steps(images, LABELS)
        with pytest.raises(HostReadError), NoHost():
            steps(images, LABELS)
        return
    _require_no_host(running, images, LABELS, tiny_clip, monkeypatch)


def test_a_step_of_a_group_asks_for_nothing(tiny_clip, monkeypatch):
    running = [_running(name, tiny_clip)[0] for name in ("coop", "qrlp", "coop_with_noise")]
    group = SideBySide([each.learner for each in running], [0, 1, 0]).train()
    training = resolve_recipe("coop", RECIPES).training
    whole = replace(
        running[0], learner=group, optimizer=make_optimizer(group, training, on_device=True)
    )
    images, labels = _images(group).expand(2, -1, -1), LABELS.expand(2, -1)
    _require_no_host(whole, images, labels, tiny_clip, monkeypatch)


def _require_no_host(running: Running, images, labels, clip, monkeypatch) -> None:
    """Take a step that may read no value, and one on a device that has none."""
    steps = Steps(running)
    steps(images, labels)
    (alike,) = steps._alike.values()
    draws = alike._draws
    draws.refill()
    with NoHost(), draws.given():
        steps._step(images, labels)
    held = (steps._step, draws, images, labels)
    away, draws, images, labels = on_meta(held, monkeypatch, clip.tokenizer)
    away.running.optimizer.step = lambda: None  # PyTorch's own, without kernels there
    with draws.given():
        away(images, labels)  # what is made once for a device is made
    with NoHostTensors(), draws.given():
        _, numbers = away(images, labels)
    assert numbers.device.type == "meta"


def test_what_cannot_be_recorded_says_why():
    reasons = {name: get_method(name).learner.not_capturable for name in METHODS}
    said = {name: reason for name, reason in reasons.items() if reason}
    assert said == {"mma_plus_plus": "each step draws other texts, which have other lengths"}


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.max().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: torch.randn(3),
        lambda x: (x > 0).nonzero(),
    ],
)
def test_the_mode_notices_what_waits_for_the_device(step):
    with pytest.raises(HostReadError), NoHost():
        step(torch.ones(3))


@pytest.mark.parametrize("step", [lambda x: x.sum() + torch.ones(1).to("meta"), lambda x: x.cpu()])
def test_the_mode_notices_what_comes_from_the_host(step):
    with pytest.raises((HostReadError, NotImplementedError)), NoHostTensors():
        step(torch.ones(3, device="meta"))


@pytest.mark.parametrize("name", ["maple", "clip_lora", "mma", "mmrl", "two_stage", "prolip"])
def test_images_of_methods_with_towers_of_their_own_can_be_stored(name, tiny_clip, tmp_path):
    running, _ = _running(name, tiny_clip)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    images = ImageSet(tmp_path, ("red.png",), (f"sha256:{sha256_file(tmp_path / 'red.png')}",))
    side, view = running.learner.image_side(), EvaluationView(tiny_clip.preprocessing)
    with torch.no_grad():
        stored = FeatureStore(tmp_path / "store").extract(side, images, view)
        assert stored.of(side).shape == (1, 1, running.learner.image_width)
