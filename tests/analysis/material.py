"""A small analysis on the tiny CLIP: random images in two halves of three classes."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from vlprompt_pipeline.analysis import AnalysisParameters, Material, TestImages
from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures
from vlprompt_pipeline.training import CachedViews

_TRAINING = {
    "epochs": 3,
    "batch_size": 4,
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "warmup_epochs": 1,
    "warmup_lr": 1e-5,
}
RECIPES: dict[str, Any] = {
    "zero_shot": {
        "method": "zero_shot",
        "title": "Zero-shot CLIP",
        "prompt": {"templates": "benchmark"},
    },
    "coop": {
        "method": "coop",
        "title": "CoOp",
        "prompt": {"length": 4, "init": None, "class_specific": False, "class_position": "end"},
        "training": _TRAINING,
    },
    "qcoop": {"extends": "coop", "title": "QCoOp", "quantize": {"bits": 1}},
    "rlp": {"extends": "coop", "title": "RLP", "low_rank": {"rank": 1, "dropout": 0.3}},
    "maple": {
        "method": "maple",
        "title": "MaPLe",
        "prompt": {"length": 2, "init": None, "depth": 2},
        "training": _TRAINING,
    },
    "gda": {
        "method": "gda",
        "title": "GDA-CLIP",
        "prompt": {"templates": "benchmark", "covariance": "pooled", "new_classes": True},
    },
    "clip_adapter": {
        "method": "clip_adapter",
        "title": "CLIP-Adapter",
        "prompt": {"templates": "benchmark", "ratio": 0.2},
        "training": _TRAINING,
    },
    "clap": {
        "method": "clap",
        "title": "CLAP",
        "prompt": {"templates": "benchmark", "constraint": True},
        "training": _TRAINING,
    },
    "kgcoop": {
        "extends": "coop",
        "method": "kgcoop",
        "title": "KgCoOp",
        "prompt": {"weight": 8.0, "templates": "benchmark"},
    },
}
VALUES: dict[str, Any] = {
    "method": "coop",
    "seeds": 2,
    "storage": ("zero_shot", "coop", "qcoop", "kgcoop"),
    "spectrum": ("coop", "rlp"),
    "noise": (0.01,),
    "bits": (1, 2),
    "quantizers": ("kmeans", "stochastic", "gaussian"),
    "heads": ("gda", "clap", "clip_adapter"),
    "head_bits": (1, 4),
    "ablation_bits": 1,
    "histogram_every": 2,
    "bins": 8,
    "prompts_at_once": 100,
}


def analysis(**changes: Any) -> AnalysisParameters:
    return AnalysisParameters(**(VALUES | changes))


def material(clip) -> Material:
    def batches(learner, recipe, seed: int) -> CachedViews:
        features = _features(clip, 12, seed)[:, None]
        return CachedViews(features, torch.arange(12) % 3, recipe.training.batch_size, seed)

    return Material(
        clip=clip,
        classes={
            "base": ClassTexts(("cat", "big red dog", "boat"), "a photo of a {}."),
            "new": ClassTexts(("tree", "house", "old car"), "a photo of a {}."),
        },
        test={
            half: TestImages(torch.arange(50), torch.arange(50) % 3, _features(clip, 50, seed))
            for half, seed in (("base", 100), ("new", 101))
        },
        batches=batches,
        at_once=lambda seed: _few_shot(clip, seed),
        encode=lambda encoder: _features(clip, 50, 7),
        described={seed: f"random {seed}" for seed in (1, 2, 3)},
    )


def _few_shot(clip, seed: int) -> FewShotFeatures:
    images, labels = _features(clip, 12, seed), torch.arange(12) % 3
    return FewShotFeatures(images, labels, images[:3], labels[:3], images[:, None])


def _features(clip, images: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(images, clip.embed_dim, generator=generator), dim=-1)
