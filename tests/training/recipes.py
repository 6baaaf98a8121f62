"""Recipes of every method that trains, cut to the tiny CLIP, and what they are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from learners import CLASSES
from learners import RECIPES as CONF
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.methods import (
    FewShotFeatures,
    PromptLearner,
    Recipe,
    build_learner,
    fit_learner,
    resolve_recipe,
)
from vlprompt_pipeline.methods.cases import Situation, recipes_in
from vlprompt_pipeline.training.side_by_side import SideBySide

SITUATION = Situation("base_to_new", "caltech101", 4)
COMBINED = {
    "coop_with_noise": {"extends": "coop", "noise": {"std": 0.1}},
    "coop_in_the_middle": {"extends": "coop", "prompt": {"class_position": "middle"}},
    "coop_by_class": {"extends": "coop", "prompt": {"class_specific": True}},
    "coop_with_adam": {"extends": "coop", "training": {"optimizer": "adam"}},
    "coop_in_bf16": {"extends": "coop", "training": {"precision": "bf16"}},
    "coop_in_fp16": {"extends": "coop", "training": {"precision": "fp16-amp"}},
    "stochastic": {"extends": "coop", "quantize": {"bits": 2, "quantizer": "stochastic"}},
    "gaussian": {"extends": "coop", "quantize": {"bits": 2, "quantizer": "gaussian"}},
    "scaled": {
        "extends": "coop",
        "quantize": {"bits": 2, "codebook": "scaled", "outliers": "keep"},
    },
}
RECIPES = {**recipes_in(SITUATION, CONF), **COMBINED}
TRAINED = [name for name in RECIPES if resolve_recipe(name, RECIPES).training]
GROUP = ("coop", "qrlp", "coop_with_noise")
"""Recipes that train side by side, with two seeds each."""

LABELS = torch.arange(6) % 3
QUANTIZE = {"min_interval_steps": 2, "kl_threshold": 1e-4}
FEW = {"epochs": 3, "steps": None, "lr": 0.05, "warmup_epochs": 1}
MORE = {
    "two_stage": {"epochs": 12},  # each stage is recorded for itself
    "qrlp": {"epochs": 6},  # its codebooks change after steps were recorded, too
}


class Batches:
    """Three batches an epoch, the last of them short."""

    steps = 3

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.labels = LABELS.to(images.device)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of images and labels."""
        order = torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(number))
        for rows in (order[:4], order[1:5], order[5:]):
            yield self.images[rows], self.labels[rows]


def short_recipe(name: str, **training: Any) -> Recipe:
    """Return a recipe that fits the two blocks of the tiny CLIP, and trains for a few steps."""
    prompt = resolve_recipe(name, RECIPES).prompt
    most = {"depth": 2, "image_depth": 2, "layer": 1, "first_block": 1}
    values = {
        "extends": name,
        "prompt": {key: value for key, value in most.items() if hasattr(prompt, key)},
        "training": FEW | MORE.get(name, {}) | training,
    }
    if RECIPES[name].get("quantize"):
        values["quantize"] = QUANTIZE
    return resolve_recipe("mine", {**RECIPES, "mine": values})


def ready_to_train(recipe: Recipe, clip: FrozenClip) -> tuple[PromptLearner, Batches]:
    """Build a learner, fitted where its method is, and its batches on the device of the CLIP."""
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    images, labels = images_of(learner), LABELS.to(clip.device)
    if learner.fitted:
        few_shot = FewShotFeatures(images, labels, images, labels, images[:, None])
        fit_learner(learner, recipe, few_shot, seed=1)
    return learner, Batches(images)


def images_of(learner: PromptLearner) -> Tensor:
    """Draw what the learner reads."""
    generator = torch.Generator().manual_seed(0)
    if learner.reads == "pixels":
        images = torch.randn(len(LABELS), 3, 32, 32, generator=generator)
    else:
        images = torch.randn(len(LABELS), learner.image_width, generator=generator)
        images = F.normalize(images, dim=-1)
    return images.to(learner.clip.device)


def group(clip: FrozenClip) -> SideBySide:
    """Build two seeds of each recipe of `GROUP`, as one learner."""
    recipes = [resolve_recipe(name, RECIPES) for name in GROUP]
    learners = [build_learner(each, clip, CLASSES, seed) for each in recipes for seed in (1, 2)]
    return SideBySide(learners, [0, 1] * len(recipes))
