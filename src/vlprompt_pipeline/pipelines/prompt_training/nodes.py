"""Check what methods are given, then train each on the base classes of a few-shot set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vlprompt_pipeline import __version__
from vlprompt_pipeline.benchmarks import ClassHalf, FewShotSet
from vlprompt_pipeline.clip import FeatureStore, FrozenClip, ImageSet, TrainingViews
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation.halves import protocol_halves
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.prompts import (
    ClassTexts,
    PromptLearner,
    Recipe,
    build_learner,
    build_plain,
    resolve_recipe,
)
from vlprompt_pipeline.prompts.trained import TrainedPrompt
from vlprompt_pipeline.training import (
    Batches,
    CachedViews,
    Checkpoint,
    OnlineViews,
    PixelViews,
    train,
)


def check_prompts(
    clip: FrozenClip,
    card: dict[str, Any],
    recipes: dict[str, Any],
    protocol: str,
    *,
    methods: tuple[str, ...],
) -> dict[str, int]:
    """Build every method for all classes it will meet: what does not fit is told before long work.

    Returns the number of trainable parameters of each method, for the classes it is trained on.

    Raises:
        ConfigError, DataError: initial words, templates or class names do not fit the CLIP.
    """
    parameters: dict[str, int] = {}
    for method in methods:
        recipe = resolve_recipe(method, recipes)
        for half in protocol_halves(protocol, card["class_names"]).values():
            try:
                learner = build_plain(recipe, clip, ClassTexts(half.class_names, card["template"]))
            except ConfigError as error:
                raise ConfigError(f"recipes.{method}.{error}") from None
            parameters.setdefault(method, sum(p.numel() for p in learner.parameters()))
    return parameters


def train_prompt(
    clip: FrozenClip,
    card: dict[str, Any],
    few_shot_set: dict[str, Any],
    class_halves: dict[str, Any],
    training_features: dict[str, Any],
    store: Path,
    checkpoints: Path,
    recipes: dict[str, Any],
    features: FeatureParameters,
    seed: int,
    *,
    method: str,
) -> tuple[TrainedPrompt, pd.DataFrame]:
    """Train the recipe `method`; returns the prompt and its history, one row an epoch."""
    recipe = resolve_recipe(method, recipes)
    base = ClassHalf(**{key: tuple(value) for key, value in class_halves["base"].items()})
    classes = ClassTexts(base.class_names, card["template"])
    few_shot = FewShotSet.from_dict(few_shot_set)
    provenance = {
        "recipe": method,
        "dataset": few_shot.dataset,
        "shots": few_shot.shots,
        "seed": seed,
        "split_sha256": few_shot.split_sha256,
        "few_shot_sha256": few_shot.digest["train"],
        "training_features": training_features["key"] or "online",
        "crop_scale": features.crop_scale,
        "code_version": __version__,
    }
    learner = build_learner(recipe, clip, classes, seed)
    rows: list[dict] = []
    if recipe.training:
        batches = _batches(
            learner, recipe, clip, card, few_shot, base, training_features, store, features, seed
        )
        fingerprint = _fingerprint(recipe, classes, clip, training_features, provenance)
        checkpoint = Checkpoint(checkpoints / f"{method}.safetensors", fingerprint)
        rows = train(learner, batches, recipe.training, checkpoint, bar)
    prompt = TrainedPrompt(
        recipe=recipe.model_dump(mode="json"),
        state=learner.state_dict(),
        classes=classes,
        weights_sha256=clip.weights_sha256,
        provenance=provenance,
    )
    return prompt, pd.DataFrame(rows, columns=None if rows else ["epoch", "learning_rate", "loss"])


def _batches(
    learner: PromptLearner,
    recipe: Recipe,
    clip: FrozenClip,
    card: dict[str, Any],
    few_shot: FewShotSet,
    base: ClassHalf,
    described: dict[str, Any],
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> Batches:
    """Training data of the base classes: sampled over all classes, restricted afterwards."""
    kept = [row for row, (_, label) in enumerate(few_shot.train) if label in base.relabelling]
    labels = torch.tensor([base.relabelling[few_shot.train[row][1]] for row in kept])
    labels, size = labels.to(clip.device), recipe.training.batch_size
    cached = described["mode"] == "cached"
    if cached and learner.reads == "features":
        values = FeatureStore(store).load(described["key"]).of(clip)[kept]
        return CachedViews(values.to(clip.device), labels, size, seed)
    images = ImageSet(
        Path(card["folder"]),
        tuple(few_shot.train[row][0] for row in kept),
        tuple(described["fingerprints"][row] for row in kept),
    )
    views = TrainingViews(
        clip.preprocessing, seed, features.views, features.crop_scale, described["decoding"]
    )
    pixels = PixelViews(images, views, labels, size, seed, not cached, features.workers)
    return pixels if learner.reads == "pixels" else OnlineViews(clip, pixels)


def _fingerprint(
    recipe: Recipe,
    classes: ClassTexts,
    clip: FrozenClip,
    described: dict[str, Any],
    provenance: dict[str, Any],
) -> str:
    """Hash of everything the trained prompt depends on."""
    texts = [classes.names, classes.template]
    parts = [recipe.model_dump(mode="json"), texts, clip.weights_sha256, described, provenance]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
