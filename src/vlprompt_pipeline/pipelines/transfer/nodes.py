"""What a target dataset adds to the nodes that all datasets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.config import OwnDataParameters
from vlprompt_pipeline.pipelines.data_preparation.nodes import index_images


def index_target(
    prefix: str,
    dataset_root: Path,
    split: str,
    own_data: OwnDataParameters,
    folder: Path,
    *,
    target: str,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Index a target dataset, one row an image."""
    return index_images(prefix, target, dataset_root, split, own_data, folder)


def list_target_classes(card: dict[str, Any]) -> dict[str, Any]:
    """All classes of a target as the one set that its test images are scored among."""
    names = card["class_names"]
    return {"target": {"labels": list(range(len(names))), "class_names": names}}
