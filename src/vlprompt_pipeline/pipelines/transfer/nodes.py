"""The classes of a target dataset."""

from __future__ import annotations

from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets, DatasetCard


def list_target_classes(card: DatasetCard) -> ClassSubsets:
    """Return all classes of a target dataset as one subset, among which its images are scored."""
    return {"target": ClassSubset(tuple(range(len(card.class_names))), card.class_names)}
