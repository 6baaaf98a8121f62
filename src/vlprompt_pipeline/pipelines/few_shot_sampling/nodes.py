"""Which images a method may learn from, and which classes it meets."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vlprompt_pipeline.evaluation.halves import protocol_subsets
from vlprompt_pipeline.image_datasets import DatasetCard, ImageIndex, sample_few_shot


def draw_few_shot_set(
    table: pd.DataFrame, card: dict[str, Any], shots: int, seed: int
) -> dict[str, Any]:
    """The published few-shot set of (dataset, shots, seed), over all classes."""
    index = ImageIndex.join(table, DatasetCard.from_dict(card))
    return sample_few_shot(index, shots, seed).to_dict()


def split_into_halves(card: dict[str, Any], protocol: str, base_share: float) -> dict[str, Any]:
    """Labels and names of the base and the new classes."""
    halves = protocol_subsets(protocol, card["class_names"], base_share)
    return {
        half: {"labels": classes.labels, "class_names": classes.class_names}
        for half, classes in halves.items()
    }
