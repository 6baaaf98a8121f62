"""Trained numbers, bytes and cost of every method at ViT-B/16's sizes, for docs/methods.md.

Run: python tests/speed/costs.py [recipe …]

Random weights, the recipes of conf/vit_b16, 16 shots of 50 classes with two-word names. Nothing is
timed: the cost is counted in multiplications and additions, so it is the same on every machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from kedro.config import OmegaConfigLoader
from torch.nn import functional as F

from vlprompt_pipeline.clip import ClipIdentity, FrozenClip, Preprocessing
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer
from vlprompt_pipeline.export import pack_learner, prompt_sizes
from vlprompt_pipeline.export.cost import inference_cost
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    PromptLearner,
    Situation,
    build_learner,
    recipes_in,
    resolve_recipe,
)
from vlprompt_pipeline.settings import CONFIG_LOADER_ARGS
from vlprompt_pipeline.wording import human_bytes, times

CONF = Path(__file__).resolve().parents[2] / "conf"
CLASSES, SHOTS = 50, 16


def vit_b16() -> FrozenClip:
    """ViT-B/16 with random weights."""
    model = open_clip.CLIP(**open_clip.get_model_config("ViT-B-16-quickgelu"))
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.25,) * 3)
    return FrozenClip(model, ClipTokenizer(), preprocessing, "vit_b16", ClipIdentity("0" * 64))


def row(name: str, recipes: dict, clip: FrozenClip, classes: ClassTexts) -> str:
    """One line of the table."""
    recipe = resolve_recipe(name, recipes)
    learner = build_learner(recipe, clip, classes, seed=1)
    if learner.fitted:
        labels = torch.arange(CLASSES).repeat(SHOTS)
        images = F.normalize(torch.randn(len(labels), clip.embed_dim), dim=-1)
        learner.fit(FewShotFeatures(images, labels, images, labels))
    _move_from_zero(learner)
    trained = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    sizes = prompt_sizes(pack_learner(learner, recipe))
    cost = times(recipe.views * inference_cost(learner))
    file = human_bytes(sizes.file_bytes)
    return f"{name:24} {trained:>10,} {human_bytes(sizes.fp16_bytes):>8} {file:>8} {cost:>7}"


@torch.no_grad()
def _move_from_zero(learner: PromptLearner) -> None:
    """Give tensors that start as zeros other values, as training does.

    Indices of equal values would be coded in no bits at all.
    """
    for parameter in learner.parameters():
        if parameter.requires_grad and parameter.numel() > 1 and not parameter.any():
            parameter.normal_(std=0.02)


if __name__ == "__main__":
    torch.manual_seed(0)
    conf = OmegaConfigLoader(str(CONF), env="vit_b16", **CONFIG_LOADER_ARGS)
    situation = Situation("base_to_new", "caltech101", SHOTS)
    recipes = recipes_in(situation, conf["parameters"]["recipes"])
    clip = vit_b16()
    classes = ClassTexts(("fire truck",) * CLASSES, "a photo of a {}.")
    for name in sys.argv[1:] or recipes:
        print(row(name, recipes, clip, classes), flush=True)
