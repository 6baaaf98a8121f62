"""What a target dataset adds to the nodes that all datasets share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vlprompt_pipeline.config import OwnDataParameters
from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets, DatasetCard
from vlprompt_pipeline.pipelines.data_preparation.nodes import index_images


def index_target(
    prefix: str,
    dataset_root: Path,
    split: str,
    own_data: OwnDataParameters,
    split_folder: Path,
    kept_splits: Path,
    check_folder: Path,
    workers: int,
    *,
    target: str,
) -> tuple[pd.DataFrame, DatasetCard]:
    """Index a target dataset, one row an image."""
    return index_images(
        prefix,
        target,
        dataset_root,
        split,
        own_data,
        split_folder,
        kept_splits,
        check_folder,
        workers,
    )


def list_target_classes(card: DatasetCard) -> ClassSubsets:
    """Take all classes of a target as the one subset that its test images are scored among."""
    return {"target": ClassSubset(tuple(range(len(card.class_names))), card.class_names)}
