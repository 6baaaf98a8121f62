"""Noise while training: of the given strength, the same for the same seed, gone afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from learners import CLASSES, RECIPES
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import build_learner, resolve_recipe
from vlprompt_pipeline.parametrizations.naming import links
from vlprompt_pipeline.parametrizations.noise import NoiseConfig, TrainingNoise

STD = 0.05


def _noisy(seed: int = 0) -> nn.Module:
    module = nn.Module()
    module.weight = nn.Parameter(torch.ones(100, 100))
    noise = TrainingNoise(NoiseConfig(std=STD), torch.Generator().manual_seed(seed))
    parametrize.register_parametrization(module, "weight", noise)
    return module


def test_its_strength_and_its_absence_in_evaluation():
    module = _noisy()
    added = module.weight.detach() - 1
    assert added.mean().abs() < 0.002
    assert added.std().item() == pytest.approx(STD, rel=0.03)
    assert not torch.equal(module.weight, module.weight)  # drawn anew each time
    assert torch.equal(module.eval().weight, torch.ones(100, 100))


def test_the_gradient_passes_unchanged():
    module = _noisy()
    (3 * module.weight).sum().backward()
    gradient = module.parametrizations.weight.original.grad
    assert torch.equal(gradient, torch.full((100, 100), 3.0))


def test_a_restart_goes_on_with_the_same_noise():
    first, other, resumed = _noisy(1), _noisy(2), _noisy(1)
    _ = first.weight
    resumed.load_state_dict(first.state_dict())
    following = first.weight
    assert torch.equal(resumed.weight, following)
    _ = other.weight
    assert not torch.equal(other.weight, following)


def test_what_a_method_stores_and_does_not_train_has_none(tiny_clip):
    values = {"extends": "two_stage", "noise": {"std": STD}}
    recipe = resolve_recipe("it", {**RECIPES, "it": values})
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    noisy = {name for name, _ in links(learner, TrainingNoise)}
    assert noisy == set(learner.prompt_names()) - {"names"}
    assert not any(module.training for module in learner.modules()), "it is built to be evaluated"


def test_noise_on_what_is_not_trained_is_refused():
    recipes = {
        "zero_shot": {
            "method": "zero_shot",
            "title": "Zero-shot",
            "prompt": {"templates": "benchmark"},
            "noise": {"std": 0.1},
        }
    }
    with pytest.raises(ConfigError, match="recipes.zero_shot.noise: zero_shot trains no prompt"):
        resolve_recipe("zero_shot", recipes)
