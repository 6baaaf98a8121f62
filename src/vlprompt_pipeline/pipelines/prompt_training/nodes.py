"""Check what methods are given, then train each on the base classes of a few-shot set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip import FeatureStore, FrozenClip
from vlprompt_pipeline.config import ExportParameters, FeatureParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation.halves import protocol_subsets
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS
from vlprompt_pipeline.pipelines.prompt_training.images import FewShotImages
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.training import Checkpoint, train


def check_prompts(
    clip: FrozenClip,
    card: dict[str, Any],
    recipes: dict[str, Any],
    protocol: str,
    base_share: float,
    export: ExportParameters,
    *targets: dict[str, Any],
    methods: tuple[str, ...],
) -> dict[str, int]:
    """Build every method for all classes it will meet: what does not fit is told before long work.

    `targets` are the cards of the target datasets. Returns the number of trainable parameters of
    each method, for the classes it is trained on and before it has seen images.

    Raises:
        ConfigError, DataError: initial words, templates or class names do not fit the CLIP.
    """
    parameters: dict[str, int] = {}
    met = [
        ClassTexts(half.class_names, card["template"])
        for half in protocol_subsets(protocol, card["class_names"], base_share).values()
    ]
    met += [ClassTexts(tuple(other["class_names"]), other["template"]) for other in targets]
    if export.class_names:
        met.append(ClassTexts(export.class_names, card["template"]))
    for method in methods:
        recipe = resolve_recipe(method, recipes)
        if recipe.bound_to_classes and export.class_names:
            raise ConfigError(
                f"export.class_names: {method} knows no class but those of training; leave the "
                "names out, or the method"
            )
        for classes in met[:1] if recipe.bound_to_classes else met:
            try:
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
    class_subsets: dict[str, Any],
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
    base = ClassSubset(**{key: tuple(value) for key, value in class_subsets["base"].items()})
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
    described = {"training": training_features, "validation": validation_features}
    images = FewShotImages(
        clip,
        Path(card["folder"]),
        few_shot,
        base,
        described,
        FeatureStore(store),
        features,
        seed,
    )
    learner = build_learner(recipe, clip, classes, seed)
    few_shot_features = images.at_once() if learner.fitted else None
    rows = learner.fit(few_shot_features) if learner.fitted else []
    if recipe.training:
        batches = images.batches(learner, recipe.training.batch_size)
        fingerprint = _fingerprint(recipe, classes, clip, training_features, provenance)
        checkpoint = Checkpoint(checkpoints / f"{method}.safetensors", fingerprint)
        rows = train(learner, batches, recipe.training, checkpoint, bar)
    if learner.fitted:
        learner.settle(few_shot_features)
    prompt = TrainedPrompt(
        recipe=recipe.model_dump(mode="json"),
        state=learner.state_dict(),
        classes=classes,
        clip_identity=clip.identity,
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
    parts = [settings, texts, clip.identity_sha256, described, provenance]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
