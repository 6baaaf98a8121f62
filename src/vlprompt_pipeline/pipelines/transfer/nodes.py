"""What a target dataset adds to the nodes that all datasets share."""

from __future__ import annotations

from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets, DatasetCard


def list_target_classes(card: DatasetCard) -> ClassSubsets:
    """Take all classes of a target as the one subset that its test images are scored among."""
    return {"target": ClassSubset(tuple(range(len(card.class_names))), card.class_names)}
