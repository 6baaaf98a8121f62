"""From a dataset's folder to its checked index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.benchmarks import BenchmarkIndex, build_index, check_images


def index_images(
    prefix: str, dataset: str, dataset_root: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Index a dataset, one row an image; embedded datasets are made at their first use."""
    index = build_index(f"{prefix}{dataset}", dataset_root)
    return index.table, index.to_card()


def check_dataset(
    table: pd.DataFrame, card: dict[str, Any], cache: Path, workers: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decode every image once, ever; what comes after reads the table that passed."""
    index = BenchmarkIndex.from_card(table, card)
    check = check_images(index, cache / f"{index.name}.parquet", workers)
    return table, check.to_dict()
