"""Classifiers of few-shot images ship quantized: what is read is what was shown, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from learners import CLASSES, RECIPES
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.export import load_learner, pack, pack_learner
from vlprompt_pipeline.methods import (
    FewShotFeatures,
    Recipe,
    build_learner,
    fit_learner,
    resolve_recipe,
    restore_learner,
)
from vlprompt_pipeline.methods.two_stage import TwoStage

POST = {"post_training": True}


def quantized(name: str, **quantize) -> Recipe:
    entry = {"extends": name, "title": "", "quantize": quantize}
    return resolve_recipe("mine", {**RECIPES, "mine": entry})


def few_shot(clip, shots: int = 16, views: int = 2) -> FewShotFeatures:
    """Features around a centre for each class, two columns ten times larger than the others."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(3, clip.embed_dim, generator=generator)
    centres[:, 3] += 20
    labels = torch.arange(3).repeat(shots)
    noise = torch.randn(len(labels), views, clip.embed_dim, generator=generator)
    images = F.normalize(centres[labels][:, None] + noise, dim=-1)
    mean = F.normalize(images.mean(1), dim=-1)
    return FewShotFeatures(mean, labels, mean[:6], labels[:6], images)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gda", {}),
        ("gda", {"moment": "few_shot"}),
        ("clap", POST),
        ("clap", {"moment": "few_shot", **POST}),
        ("linear_probe", {}),
        ("lp_plus_plus", {"moment": "few_shot"}),
        ("tip_adapter", {}),
        ("two_stage", {}),
    ],
    ids=str,
)
def test_classifiers_come_back_exactly(name, settings, bits, tiny_clip):
    recipe = quantized(name, bits=bits, **settings)
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    data = few_shot(tiny_clip)
    images = data.images
    if learner.fitted:
        fit_learner(learner, recipe, data, seed=1)
    else:
        assert isinstance(learner, TwoStage)
        learner.start_second_stage()
    learner.eval()
    shown = learner.logits(images)
    assert shown.isfinite().all()
    shipped = load_learner(pack(pack_learner(learner, recipe)), recipe, tiny_clip, CLASSES)
    assert torch.equal(shipped.logits(images), shown)
    restored = restore_learner(recipe, tiny_clip, CLASSES, learner.state_dict()).eval()
    assert torch.equal(restored.logits(images), shown)


def test_the_moment_of_the_images_is_used(tiny_clip):
    data = few_shot(tiny_clip)
    full = build_learner(resolve_recipe("gda", RECIPES), tiny_clip, CLASSES, seed=1)
    fit_learner(full, resolve_recipe("gda", RECIPES), data, seed=1)
    errors = {}
    for moment in ("none", "few_shot"):
        recipe = quantized("gda", bits=1, moment=moment)
        learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
        fit_learner(learner, recipe, data, seed=1)
        away = data.images @ (learner.eval().weight - full.weight).T
        errors[moment] = (away - away.mean(1, keepdim=True)).square().mean().item()
    assert errors["few_shot"] < 0.7 * errors["none"]


def test_codes_are_chosen_while_the_few_shot_images_are_there(tiny_clip):
    recipe, data = quantized("gda", bits=1, moment="few_shot"), few_shot(tiny_clip)
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    fit_learner(learner, recipe, data, seed=1)
    state = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    restored = restore_learner(recipe, tiny_clip, CLASSES, state)
    assert torch.equal(restored.logits(data.images), learner.logits(data.images))


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("coop", {}, "coop is not given all images at once"),
        ("clap", {}, "clap takes it with quantize.post_training: true"),
        ("gda", {"codebook": "row"}, "moment: few_shot goes with codebook: auto or scaled"),
    ],
)
def test_where_there_is_no_moment_it_is_refused(name, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        quantized(name, bits=1, moment="few_shot", **settings)
