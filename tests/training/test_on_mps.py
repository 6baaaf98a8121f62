"""Every method trains and predicts on the GPU of a Mac, which has no double precision.

It is a real one where there is one, and else simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from simulated_gpu import MPS, simulated_gpu
from training.learned import learned, predictions, require_near
from training.recipes import RECIPES
from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe

OTHER_ROUNDING = {
    "coop_in_bf16": 0.02,
    "coop_in_fp16": 0.02,
    "prograd": 0.1,  # its first gradient is projected on one that is nothing but rounding
}
"""How far logits may be apart; those of the others only by the order of sums."""
NEW_CLASSES = ClassTexts(("stapler", "wrench"), "a photo of a {}.")


def on(device: str, folder) -> FrozenClip:
    clip = load_clip(f"local-dir:{folder}", "tiny", device, precision="fp32")
    assert clip.device.type == device
    return clip


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
