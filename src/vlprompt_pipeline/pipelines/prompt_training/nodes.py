"""Check each method of a run, then train it on the base classes of a few-shot set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip import FeatureStore, FrozenClip
from vlprompt_pipeline.clip.dataset_features import FewShotSetFeatures, TrainingFeatures
from vlprompt_pipeline.config import ExportParameters, FeatureParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard, FewShotSet
from vlprompt_pipeline.methods import (
    ClassTexts,
    Recipe,
    build_learner,
    fit_learner,
    get_method,
    resolve_recipe,
)
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.protocols import resolve_protocol
from vlprompt_pipeline.source_code import code_digest
from vlprompt_pipeline.training import Checkpoint, FewShotImages, train

TRAINED = ("prompt", "history", "clusterings")
"""Catalog names of what `train_prompt` returns."""


def check_prompt(
    clip: FrozenClip,
    card: DatasetCard,
    recipes: dict[str, Any],
    protocol: str,
    settings: dict[str, Any],
    export: ExportParameters,
    *targets: DatasetCard,
    method: str,
) -> None:
    """Build a method for all classes that it will be used with, before long work starts.

    `targets` are the cards of the target datasets.

    Raises:
        ConfigError, DataError: initial words, templates or class names do not fit the CLIP.
    """
    chosen, section = resolve_protocol(protocol, settings)
    class_texts = [
        ClassTexts(subset.class_names, card.template)
        for subset in chosen.class_subsets(card.class_names, section).values()
    ]
    class_texts += [ClassTexts(target.class_names, target.template) for target in targets]
    if export.class_names:
        class_texts.append(ClassTexts(export.class_names, card.template))
    recipe = resolve_recipe(method, recipes)
    if recipe.bound_to_classes and export.class_names:
        raise ConfigError(
            f"export.class_names: {method} knows no class but those of training; leave the "
            "names out, or the method"
        )
    for classes in class_texts[:1] if recipe.bound_to_classes else class_texts:
        try:
            build_learner(recipe, clip, classes, seed=0)
        except ConfigError as error:
            raise ConfigError(f"recipes.{method}.{error}") from None


def train_prompt(
    *,
    clip: FrozenClip,
    card: DatasetCard,
    few_shot_set: FewShotSet,
    class_subsets: ClassSubsets,
    few_shot_features: FewShotSetFeatures,
    store: Path,
    checkpoints: Path,
    recipes: dict[str, Any],
    features: FeatureParameters,
    seed: int,
    method: str,
) -> tuple[TrainedPrompt, pd.DataFrame, pd.DataFrame]:
    """Train the recipe `method` on the base classes of a few-shot set.

    Returns:
        The prompt; its history, one row an epoch; its clusterings, one row for every time that the
        codebooks of a tensor were made.
    """
    recipe = resolve_recipe(method, recipes)
    training_features = few_shot_features.training
    base = class_subsets["base"]
    classes = ClassTexts(base.class_names, card.template)
    provenance = {
        "recipe": method,
        "dataset": few_shot_set.dataset,
        "shots": few_shot_set.shots,
        "seed": seed,
        "split_sha256": few_shot_set.split_sha256,
        "few_shot_sha256": few_shot_set.digest["train"],
        "training_features": training_features.key or "online",
        "crop_scale": features.crop_scale,
        "code_version": __version__,
        "code": code_digest("training", get_method(recipe.method).learner),
        "arithmetic": clip.arithmetic.key,
    }
    images = FewShotImages(
        clip=clip,
        folder=card.folder,
        few_shot_set=few_shot_set,
        base=base,
        training=training_features,
        validation=few_shot_features.validation,
        store=FeatureStore(store),
        parameters=features,
        seed=seed,
    )
    learner = build_learner(recipe, clip, classes, seed)
    fitted_to = images.at_once() if learner.fitted else None
    rows = fit_learner(learner, recipe, fitted_to, seed) if fitted_to else []
    if recipe.training:
        batches = images.batches(learner, recipe.training)
        fingerprint = _fingerprint(
            recipe, classes, clip, training_features, few_shot_set, provenance
        )
        checkpoint = Checkpoint(checkpoints / f"{method}.safetensors", fingerprint)
        rows = train(learner, batches, recipe.training, checkpoint, bar)
    if fitted_to:
        learner.settle(fitted_to)
    stored_recipe = recipe.model_dump(mode="json")
    if recipe.training:  # what a machine had room for decides no bit of the prompt
        stored_recipe["training"]["memory_gb"] = None
    prompt = TrainedPrompt(
        recipe=stored_recipe,
        state=learner.state_dict(),
        classes=classes,
        clip_identity=clip.identity,
        provenance=provenance,
    )
    return prompt, *_tables(rows)


def _tables(rows: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return history and clusterings, with their columns even where they have no rows."""
    clusterings = [
        {"epoch": row["epoch"], **made} for row in rows for made in row.get("clusterings", [])
    ]
    history = pd.DataFrame(rows, columns=None if rows else ["epoch", "learning_rate", "loss"])
    return history.drop(columns="clusterings", errors="ignore"), pd.DataFrame(
        clusterings, columns=["epoch", *CLUSTERING_COLUMNS]
    )


def _fingerprint(
    recipe: Recipe,
    classes: ClassTexts,
    clip: FrozenClip,
    training_features: TrainingFeatures,
    few_shot_set: FewShotSet,
    provenance: dict[str, Any],
) -> str:
    """Hash everything the trained prompt depends on."""
    texts = [classes.names, classes.template, few_shot_set.content_sha256]
    settings = recipe.model_dump(mode="json", exclude={"training": {"memory_gb"}})
    parts = [settings, texts, clip.identity_sha256, asdict(training_features), provenance]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
