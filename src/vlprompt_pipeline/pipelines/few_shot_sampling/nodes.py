"""Draw the training images, and split the classes as the protocol asks."""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.evaluation.halves import protocol_subsets
from vlprompt_pipeline.image_datasets import (
    ClassSubsets,
    DatasetCard,
    FewShotSet,
    ImageIndex,
    sample_few_shot,
)


def draw_few_shot_set(table: pd.DataFrame, card: DatasetCard, shots: int, seed: int) -> FewShotSet:
    """Draw the published few-shot set of a dataset, over all of its classes."""
    return sample_few_shot(ImageIndex.join(table, card), shots, seed)


def split_into_subsets(card: DatasetCard, protocol: str, base_share: float) -> ClassSubsets:
    """Split the classes into base and new classes, or take all as base classes."""
    return protocol_subsets(protocol, card.class_names, base_share)
