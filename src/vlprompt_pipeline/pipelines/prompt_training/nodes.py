"""Check each method of a run, then train it on the base classes of a few-shot set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.clip import FeatureStore, FrozenClip
from vlprompt_pipeline.clip.dataset_features import require_features_of_this_run
from vlprompt_pipeline.clip.feature_records import FewShotSetFeatures
from vlprompt_pipeline.config import ExportParameters, FeatureParameters, SideBySideParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard, FewShotSet
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS
from vlprompt_pipeline.protocols import choose_classes
from vlprompt_pipeline.training import FewShotImages
from vlprompt_pipeline.training.groups import Member, group_file, members
from vlprompt_pipeline.training.task import PromptTask, train_alone, train_with_others

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
    """Build a method for all classes it will be used with, to find faults before long work starts.

    `targets` are the cards of the target datasets.

    Raises:
        ConfigError, DataError: initial words, templates or class names do not fit the CLIP.
    """
    class_texts = [
        ClassTexts(subset.class_names, card.template)
        for subset in choose_classes(protocol, settings, card.class_names).values()
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
    table: pd.DataFrame,
    card: DatasetCard,
    few_shot_set: FewShotSet,
    class_subsets: ClassSubsets,
    few_shot_features: FewShotSetFeatures,
    store: Path,
    checkpoints: Path,
    groups: Path,
    recipes: dict[str, Any],
    features: FeatureParameters,
    seed: int,
    side_by_side: SideBySideParameters,
    method: str,
) -> tuple[TrainedPrompt, pd.DataFrame, pd.DataFrame]:
    """Train the recipe `method` on the base classes of a few-shot set.

    If it trains side by side with others, the whole group is trained, unless another run of the
    group has left the result in `groups`.

    Returns:
        The prompt; its history, one row per epoch; its clusterings, one row for each time that the
        codebooks of a tensor were made.

    Raises:
        DataError: the images were split again after the few-shot set was drawn.
        UserError: the features are of a run with other images or settings.
        WeightsError: they are of another CLIP.
    """
    base = class_subsets["base"]
    classes = ClassTexts(base.class_names, card.template)
    group = members(method, seed, side_by_side, recipes)
    few_shot = {seed: (few_shot_set, replace(few_shot_features.training, beside=()))}
    for other in few_shot_features.training.beside:
        few_shot[other.seed] = other.few_shot_set, other.training
    for each in {member.seed for member in group}:
        require_features_of_this_run(
            *few_shot.get(each, (None, None)),
            few_shot_features.validation if each == seed else None,
            clip=clip,
            table=table,
            card=card,
            store=store,
            features=features,
            seed=each,
        )
    tasks = [
        PromptTask(
            recipe_name=each.method,
            recipe=resolve_recipe(each.method, recipes),
            classes=classes,
            images=FewShotImages(
                clip=clip,
                folder=card.folder,
                few_shot_set=few_shot[each.seed][0],
                base=base,
                training=few_shot[each.seed][1],
                validation=few_shot_features.validation,
                store=FeatureStore(store),
                parameters=features,
                seed=each.seed,
            ),
            group=group,
        )
        for each in group
    ]
    own = group.index(Member(method, seed))
    if len(group) == 1:
        state, rows = train_alone(tasks[0], checkpoints / f"{method}.safetensors")
    else:
        state, rows = train_with_others(tasks, own, group_file(groups, group), checkpoints)
    return tasks[own].trained(state), *_tables(rows)


def _tables(rows: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return history and clusterings, which have their columns even without rows."""
    clusterings = [
        {"epoch": row["epoch"], **made} for row in rows for made in row.get("clusterings", [])
    ]
    history = pd.DataFrame(rows, columns=None if rows else ["epoch", "learning_rate", "loss"])
    return history.drop(columns="clusterings", errors="ignore"), pd.DataFrame(
        clusterings, columns=["epoch", *CLUSTERING_COLUMNS]
    )
