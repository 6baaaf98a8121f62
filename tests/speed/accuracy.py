"""Accuracy of prompts of the embedded CLIP, trained in single precision and in bf16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory
from typing import Any

import torch
from cases import COOP
from torch import Tensor

from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, TrainingViews, load_clip
from vlprompt_pipeline.image_datasets import build_index, sample_few_shot, split_classes
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.training import CachedViews, train

DATASET, SHOTS, SEEDS = "demo_aerial", 16, (1, 2, 3)
TRAINING = {
    "epochs": 50,
    "batch_size": 32,
    "lr": 0.02,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "warmup_epochs": 1,
    "warmup_lr": 1e-5,
}


def compare(
    device: str = "cpu",
    precisions: Sequence[str] = ("fp32", "bf16"),
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Any]:
    """Base accuracy in per cent, mean and standard deviation over seeds, by precision."""
    found: dict[str, list[float]] = {precision: [] for precision in precisions}
    with TemporaryDirectory() as folder:
        for seed in seeds:
            for precision, accuracy in _of_seed(Path(folder), seed, device, precisions).items():
                found[precision].append(accuracy)
    return {name: {"mean": mean(a), "std": pstdev(a)} for name, a in found.items()}


def _of_seed(folder: Path, seed: int, device: str, precisions: Sequence[str]) -> dict[str, float]:
    clip = load_clip("embedded", device=device, precision="fp32")
    index = build_index(DATASET, folder / "raw")
    base = split_classes(index.card.class_names).base
    chosen = [path for path, _ in sample_few_shot(index, SHOTS, seed=seed).train]
    shots = base.restrict(index.table.set_index("path", drop=False).loc[chosen])
    tests = base.restrict(index.table[index.table["part"] == "test"])
    store = FeatureStore(folder / "store")
    views = TrainingViews(clip.preprocessing, seed=seed, count=4, crop_scale=(1.0, 1.0))
    features = store.extract(clip, ImageSet.of(index.card.folder, shots), views).values
    images = ImageSet.of(index.card.folder, tests)
    seen = store.extract(clip, images, EvaluationView(clip.preprocessing)).values[:, 0]
    shown = torch.tensor(shots["label"].to_numpy(), device=clip.device)
    batches = CachedViews(features.to(clip.device), shown, 32, seed=seed)
    labels, seen = torch.tensor(tests["label"].to_numpy()).to(clip.device), seen.to(clip.device)
    texts = ClassTexts(base.class_names, index.card.template)
    return {p: _accuracy(clip, texts, batches, seen, labels, seed, p) for p in precisions}


def _accuracy(
    clip, texts: ClassTexts, batches: CachedViews, seen: Tensor, labels: Tensor, seed: int, p: str
) -> float:
    prompt = {**COOP, "length": 4, "init": "a photo of a"}
    training = {**TRAINING, "precision": p}
    coop = {"method": "coop", "title": "CoOp", "prompt": prompt, "training": training}
    recipe = resolve_recipe("coop", {"coop": coop})
    learner = build_learner(recipe, clip, texts, seed)
    train(learner, batches, recipe.training)
    with torch.no_grad():
        return 100 * (learner.logits(seen).argmax(-1) == labels).double().mean().item()
