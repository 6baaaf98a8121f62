"""Draw the training images, and split the classes as the protocol asks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import (
    ClassSubsets,
    DatasetCard,
    FewShotSet,
    ImageIndex,
    ShortClasses,
    sample_few_shot,
)
from vlprompt_pipeline.methods import get_method, resolve_recipe
from vlprompt_pipeline.protocols import choose_classes


def draw_few_shot_set(
    table: pd.DataFrame,
    card: DatasetCard,
    shots: int,
    seed: int,
    short_classes: ShortClasses,
    recipes: dict[str, Any],
    *,
    methods: tuple[str, ...],
) -> FewShotSet:
    """Draw the published few-shot set of a dataset, over all of its classes.

    Raises:
        ConfigError: a method chooses its settings on validation images and there are none. It is
            raised before any features are computed.
    """
    drawn = sample_few_shot(ImageIndex.join(table, card), shots, seed, short_classes)
    for method in methods:
        learner = get_method(resolve_recipe(method, recipes).method).learner
        if learner.needs_validation and not drawn.val:
            raise ConfigError(
                f"methods: {method} chooses its settings on validation images, and "
                f"{drawn.dataset} has none; leave it out"
            )
    return drawn


def split_into_subsets(card: DatasetCard, protocol: str, settings: dict[str, Any]) -> ClassSubsets:
    """Split the classes into base and new classes, or take all as base classes."""
    return choose_classes(protocol, settings, card.class_names)
