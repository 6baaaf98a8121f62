"""Learners of every method after a few steps or fitted, and what they predict."""

from __future__ import annotations

import torch
from torch import Tensor

from learners import CLASSES
from training.recipes import LABELS, RECIPES, TRAINED, images_of, ready_to_train, short_recipe
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.methods import (
    FewShotFeatures,
    PromptLearner,
    build_learner,
    fit_learner,
    resolve_recipe,
)
from vlprompt_pipeline.training import train


def learned(name: str, clip: FrozenClip) -> PromptLearner:
    """A learner of each method after a few steps, or fitted."""
    if name in TRAINED:
        recipe = short_recipe(name)
        learner, batches = ready_to_train(recipe, clip)
        train(learner, batches, recipe.training)
        return learner.eval()
    recipe = resolve_recipe(name, RECIPES)
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    if learner.fitted:
        images, labels = images_of(learner), LABELS.to(clip.device)
        few_shot = FewShotFeatures(images, labels, images, labels, images[:, None])
        fit_learner(learner, recipe, few_shot, seed=1)
    return learner.eval()


@torch.no_grad()
def predictions(learner: PromptLearner) -> Tensor:
    """Return logits, or what images are compared with where the image tower is another one."""
    by_pixels = learner.reads == "pixels"
    return (learner.class_features() if by_pixels else learner.logits(images_of(learner))).cpu()


def require_near(ours: Tensor, reference: Tensor, share: float = 1e-4) -> None:
    """Hold the largest gap to a share of the largest value."""
    torch.testing.assert_close(ours, reference, rtol=0, atol=share * reference.abs().max().item())
