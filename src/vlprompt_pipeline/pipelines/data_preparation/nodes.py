"""From a dataset's folder to its checked index."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.config import OwnDataParameters
from vlprompt_pipeline.filesystem.manifests import described_write, layer_path
from vlprompt_pipeline.image_datasets import (
    DatasetCard,
    ImageIndex,
    OwnData,
    RandomSplit,
    build_index,
    build_own_index,
    check_images,
    inspect_images,
    is_named_dataset,
)
from vlprompt_pipeline.image_datasets.in_place import bring_photos


def index_images(
    prefix: str,
    dataset: str,
    dataset_root: Path,
    split: str,
    own_data: OwnDataParameters,
    split_folder: Path,
    kept_splits: Path,
    check_folder: Path,
    workers: int,
) -> tuple[pd.DataFrame, DatasetCard]:
    """Index a dataset, one row per image; embedded datasets are made at their first use.

    Own photos that cannot be read are left out of the split if `own_data.broken` says so. A split
    that is drawn here is also written below `split_folder`, to be published with the results: in
    the form of the published split files, named by the hash of its content. The split of own photos
    is kept below `kept_splits` and extended when photos are added; one with photos that the check
    refuses is not kept.
    """
    drawn = RandomSplit(**own_data.split.model_dump())
    name = f"{prefix}{dataset}"
    bring_photos(name, dataset_root, own_data.class_names)
    if is_named_dataset(name):
        index = build_index(name, dataset_root, drawn if split == "random" else None)
    else:
        options = OwnData(own_data.template, own_data.class_names, drawn)
        build = partial(build_own_index, name, dataset_root, options, resplit=split == "random")
        index = build()
        broken = inspect_images(index, _cache(check_folder, name), workers).unreadable
        if own_data.broken == "leave_out" or not broken:  # else the check refuses it
            known = dict(index.table[["path", "fingerprint"]].itertuples(index=False))
            index = build(kept_splits=kept_splits, left_out=broken, fingerprints=known)
    if index.card.random_split:
        path = split_folder / name / f"split_{index.card.split_sha256[:16]}.json"
        with described_write(path, layer_path(path)) as temporary:
            content = json.dumps(index.to_split(), ensure_ascii=False, indent=1)
            temporary.write_text(content, encoding="utf-8")
    return index.table, index.card


def check_dataset(
    table: pd.DataFrame, card: DatasetCard, cache: Path, workers: int
) -> dict[str, Any]:
    """Decode every image that was not decoded before; return what was found."""
    index = ImageIndex.join(table, card)
    return asdict(check_images(index, _cache(cache, index.card.name), workers))


def keep_checked(table: pd.DataFrame, check: dict[str, Any]) -> pd.DataFrame:
    """Return the index unchanged, as an output that exists only once its check has passed."""
    return table


def _cache(folder: Path, dataset: str) -> Path:
    """Return the file with what is known of a dataset's images."""
    return folder / f"{dataset}.parquet"
