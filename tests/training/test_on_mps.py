"""Every method trains and predicts on the GPU of a Mac, which has no double precision.

It is a real one where there is one, and else simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from learners import CLASSES
from simulated_gpu import MPS, simulated_gpu
from training.recipes import LABELS, RECIPES, TRAINED, images_of, ready_to_train, short_recipe
from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    PromptLearner,
    build_learner,
    fit_learner,
    resolve_recipe,
)
from vlprompt_pipeline.training import train

OTHER_ROUNDING = {
    "coop_in_bf16": 0.02,
    "coop_in_fp16": 0.02,
    "prograd": 0.1,  # its first gradient is projected on one that is nothing but rounding
}
"""How far logits may be apart; those of the others only by the order of sums."""
NEW_CLASSES = ClassTexts(("stapler", "wrench"), CLASSES.template)


def on(device: str, folder) -> FrozenClip:
    clip = load_clip(f"local-dir:{folder}", "tiny", device, precision="fp32")
    assert clip.device.type == device
    return clip


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


@pytest.fixture
def mps() -> Iterator[None]:
    with nullcontext() if torch.backends.mps.is_available() else simulated_gpu(MPS):
        yield


@pytest.mark.parametrize("name", RECIPES)
def test_it_predicts_as_on_the_cpu(name, tiny_clip_folder, mps):
    ours, reference = (
        predictions(learned(name, on(device, tiny_clip_folder))) for device in ("mps", "cpu")
    )
    require_near(ours, reference, OTHER_ROUNDING.get(name, 1e-4))


def test_gaussians_of_new_classes_are_those_of_the_cpu(tiny_clip_folder, mps):
    both = []
    for device in ("mps", "cpu"):
        clip = on(device, tiny_clip_folder)
        of_new = build_learner(resolve_recipe("gda", RECIPES), clip, NEW_CLASSES, seed=1)
        of_new.load_prompt(learned("gda", clip).prompt_tensors())
        both.append(predictions(of_new.eval()))
    require_near(*both)
