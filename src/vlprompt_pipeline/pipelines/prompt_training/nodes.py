"""Check what methods are given, then train each on the base classes of a few-shot set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline import __version__
from vlprompt_pipeline.benchmarks import ClassHalf, FewShotSet
from vlprompt_pipeline.clip import FeatureStore, FrozenClip, ImageSet, TrainingViews
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation.halves import protocol_halves
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.prompts import (
    ClassTexts,
    FewShotFeatures,
    Recipe,
    build_learner,
    resolve_recipe,
)
from vlprompt_pipeline.prompts.trained import TrainedPrompt
from vlprompt_pipeline.training import Batches, CachedViews, Checkpoint, OnlineViews, train


def check_prompts(
    clip: FrozenClip,
    card: dict[str, Any],
    recipes: dict[str, Any],
    protocol: str,
    *,
    methods: tuple[str, ...],
) -> dict[str, int]:
    """Build every method for all classes it will meet: what does not fit is told before long work.

    Returns the number of trainable parameters of each method, for the classes it is trained on and
    before it has seen images.

    Raises:
        ConfigError, DataError: initial words, templates or class names do not fit the CLIP.
    """
    parameters: dict[str, int] = {}
    for method in methods:
        recipe = resolve_recipe(method, recipes)
        halves = list(protocol_halves(protocol, card["class_names"]).values())
        for half in halves[:1] if recipe.bound_to_classes else halves:
            try:
                classes = ClassTexts(half.class_names, card["template"])
                learner = build_learner(recipe, clip, classes, seed=0)
            except ConfigError as error:
                raise ConfigError(f"recipes.{method}.{error}") from None
            trained = sum(p.numel() for p in learner.parameters() if p.requires_grad)
            parameters.setdefault(method, trained)
    return parameters


def train_prompt(
    clip: FrozenClip,
    card: dict[str, Any],
    few_shot_set: dict[str, Any],
    class_halves: dict[str, Any],
    training_features: dict[str, Any],
    validation_features: dict[str, Any],
    store: Path,
    checkpoints: Path,
    recipes: dict[str, Any],
    features: FeatureParameters,
    seed: int,
    *,
    method: str,
) -> tuple[TrainedPrompt, pd.DataFrame, pd.DataFrame]:
    """Train the recipe `method`.

    Returns the prompt, its history with one row an epoch, and its clusterings: one row for every
    time that the codebooks of a tensor were made.
    """
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
    if learner.fitted:
        fitted_to = _few_shot_features(
            clip,
            card,
            few_shot,
            base,
            training_features,
            validation_features,
            store,
            features,
            seed,
        )
        rows = learner.fit(fitted_to)
    if recipe.training:
        batches = _batches(
            recipe, clip, card, few_shot, base, training_features, store, features, seed
        )
        fingerprint = _fingerprint(recipe, classes, clip, training_features, provenance)
        checkpoint = Checkpoint(checkpoints / f"{method}.safetensors", fingerprint)
        rows = train(learner, batches, recipe.training, checkpoint, bar)
    if learner.fitted:
        learner.settle(fitted_to)
    prompt = TrainedPrompt(
        recipe=recipe.model_dump(mode="json"),
        state=learner.state_dict(),
        classes=classes,
        weights_sha256=clip.weights_sha256,
        provenance=provenance,
    )
    return prompt, *_tables(rows)


def _tables(rows: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and clusterings, with their columns even where there is nothing to tell."""
    clusterings = [
        {"epoch": row["epoch"], **made} for row in rows for made in row.get("clusterings", [])
    ]
    history = pd.DataFrame(rows, columns=None if rows else ["epoch", "learning_rate", "loss"])
    return history.drop(columns="clusterings", errors="ignore"), pd.DataFrame(
        clusterings, columns=["epoch", *CLUSTERING_COLUMNS]
    )


def _batches(
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
    kept, labels = _restricted(few_shot.train, base)
    size = recipe.training.batch_size
    if described["mode"] == "cached":
        values = FeatureStore(store).load(described["key"]).of(clip)[kept]
        return CachedViews(values.to(clip.device), labels.to(clip.device), size, seed)
    images = _image_set(card, few_shot, described, kept)
    views = TrainingViews(clip.preprocessing, seed, 1, features.crop_scale, described["decoding"])
    return OnlineViews(clip, images, views, labels.to(clip.device), size, seed)


def _few_shot_features(
    clip: FrozenClip,
    card: dict[str, Any],
    few_shot: FewShotSet,
    base: ClassHalf,
    described: dict[str, Any],
    validation: dict[str, Any],
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> FewShotFeatures:
    """All few-shot images of the base classes; with online crops, `views` are encoded once here."""
    kept, labels = _restricted(few_shot.train, base)
    if described["mode"] == "cached":
        views = FeatureStore(store).load(described["key"]).of(clip)[kept]
    else:
        crops = TrainingViews(
            clip.preprocessing, seed, features.views, features.crop_scale, described["decoding"]
        )
        images = _image_set(card, few_shot, described, kept)
        views = FeatureStore(store).extract(clip, images, crops, progress=bar).of(clip)
    own, own_labels = _restricted(few_shot.val, base)
    held_out = views.new_zeros(0, clip.embed_dim)
    if validation["key"]:
        held_out = FeatureStore(store).load(validation["key"]).of(clip)[own, 0]
    return FewShotFeatures(
        F.normalize(views.mean(1), dim=-1).to(clip.device),
        labels.to(clip.device),
        held_out.to(clip.device),
        own_labels.to(clip.device),
    )


def _restricted(images: tuple[tuple[str, int], ...], half: ClassHalf) -> tuple[list[int], Tensor]:
    """Row numbers of the images of a half, and their labels within it."""
    kept = [row for row, (_, label) in enumerate(images) if label in half.relabelling]
    labels = [half.relabelling[images[row][1]] for row in kept]
    return kept, torch.tensor(labels, dtype=torch.int64)


def _image_set(
    card: dict[str, Any], few_shot: FewShotSet, described: dict[str, Any], rows: list[int]
) -> ImageSet:
    return ImageSet(
        Path(card["folder"]),
        tuple(few_shot.train[row][0] for row in rows),
        tuple(described["fingerprints"][row] for row in rows),
    )


def _fingerprint(
    recipe: Recipe,
    classes: ClassTexts,
    clip: FrozenClip,
    described: dict[str, Any],
    provenance: dict[str, Any],
) -> str:
    """Hash of everything the trained prompt depends on."""
    texts = [classes.names, classes.template]
    settings = recipe.model_dump(mode="json", exclude={"training": {"memory_gb"}})
    parts = [settings, texts, clip.weights_sha256, described, provenance]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
