"""A small analysis on the tiny CLIP: random images in two halves of three classes."""

from __future__ import annotations

from typing import Any

import torch

from learners import CLASSES, COOP, TRAINING, unit_vectors
from vlprompt_pipeline.analysis import AnalysisParameters, Material, TestImages
from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures
from vlprompt_pipeline.training import CachedViews

_TRAINING = {**TRAINING, "lr": 0.05}
RECIPES: dict[str, Any] = {
    "zero_shot": {
        "method": "zero_shot",
        "title": "Zero-shot CLIP",
        "prompt": {"templates": "benchmark"},
    },
    "coop": {**COOP, "training": _TRAINING},
    "qcoop": {"extends": "coop", "title": "QCoOp", "quantize": {"bits": 1}},
    "rlp": {"extends": "coop", "title": "RLP", "low_rank": {"rank": 1, "dropout": 0.3}},
    "rp_coop": {
        "extends": "coop",
        "title": "RP-CoOp",
        "projected": {"numbers": 6, "seed": 1, "gain": 4.0},
    },
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
        return CachedViews(features, _labels(clip, 12), recipe.training.batch_size, seed)

    return Material(
        clip=clip,
        classes={
            "base": CLASSES,
            "new": ClassTexts(("tree", "house", "old car"), "a photo of a {}."),
        },
        test={
            half: TestImages(torch.arange(50), _labels(clip, 50), _features(clip, 50, seed))
            for half, seed in (("base", 100), ("new", 101))
        },
        batches=batches,
        at_once=lambda seed: _few_shot(clip, seed),
        encode=lambda encoder: _features(clip, 50, 7),
        described={seed: f"random {seed}" for seed in (1, 2, 3)},
    )


def _few_shot(clip, seed: int) -> FewShotFeatures:
    images, labels = _features(clip, 12, seed), _labels(clip, 12)
    return FewShotFeatures(images, labels, images[:3], labels[:3], images[:, None])


def _features(clip, images: int, seed: int) -> torch.Tensor:
    return unit_vectors(images, clip.embed_dim, seed=seed).to(clip.device)


def _labels(clip, images: int) -> torch.Tensor:
    return torch.arange(images).to(clip.device) % 3
