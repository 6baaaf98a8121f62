"""What tests train: the project's recipes, a CoOp of four vectors, features of no images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
import yaml
from torch import Tensor
from torch.nn import functional as F

from conftest import ROOT
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.evaluation.predict import predict_among
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe, get_method, resolve_recipe
from vlprompt_pipeline.training import CachedViews

RECIPES = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())["recipes"]
"""Those of conf, by name."""

CLASSES = ClassTexts(("cat", "big red dog", "boat"), "a photo of a {}.")
PROMPT = {"length": 4, "init": None, "class_specific": False, "class_position": "end"}
TRAINING = {
    "epochs": 3,
    "batch_size": 4,
    "lr": 0.02,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "warmup_epochs": 1,
    "warmup_lr": 1e-5,
}
COOP = {"method": "coop", "title": "CoOp", "prompt": PROMPT, "training": TRAINING}
"""A recipe as it stands in conf; its context is random."""


def coop(
    *, prompt: Mapping[str, Any] | None = None, training: Mapping[str, Any] | None = None, **parts
) -> Recipe:
    """The recipe `COOP` with other settings, and with parts such as `quantize`."""
    values = {
        **COOP,
        **parts,
        "prompt": {**PROMPT, **(prompt or {})},
        "training": {**TRAINING, **(training or {})},
    }
    return resolve_recipe("coop", {"coop": values})


def untrained(
    clip: FrozenClip, method: str, classes: ClassTexts = CLASSES, **prompt: Any
) -> PromptLearner:
    """A learner of a registered method with these settings of its prompt."""
    registered = get_method(method)
    chosen = registered.parameters(**prompt)
    return registered.learner(clip, classes, chosen, torch.Generator().manual_seed(0))


def unit_vectors(*shape: int, seed: int = 0) -> Tensor:
    """Random features of length 1 in single precision, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


def predict(learner: PromptLearner, features: Tensor, labels: Tensor) -> pd.DataFrame:
    """A row an image: what a learner predicts among all of its classes."""
    (table,) = predict_among(learner, features, labels, [range(len(learner.classes.names))])
    return table


def random_views(clip: FrozenClip, images: int = 11, seed: int = 3) -> CachedViews:
    """Batches of four, of two views of each of some images in three classes."""
    features = unit_vectors(images, 2, clip.embed_dim)
    return CachedViews(features, torch.arange(images) % 3, batch_size=4, seed=seed)
