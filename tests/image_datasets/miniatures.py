"""Miniatures under the names of the datasets they stand for, to be changed and spoilt by tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vlprompt_pipeline.image_datasets import (
    DatasetCard,
    ImageDataset,
    ImageIndex,
    Split,
    get_image_dataset,
)
from vlprompt_pipeline.image_datasets.miniatures.writer import miniature_of, write_miniature_files
from vlprompt_pipeline.image_datasets.schema import class_names_of

DATA = Path(__file__).resolve().parents[1] / "data"


def write_miniature(root: Path, name: str = "caltech101", seed: int = 0) -> ImageDataset:
    """Write a dataset under `root` and give the dataset that expects exactly what was written."""
    official = get_image_dataset(name)
    write_miniature_files(official, official.dataset_folder(root), seed)
    small = miniature_of(official)
    return replace(official, classes=small.classes, counts=small.counts, split_sha256=None)


def read_split_rows(dataset: ImageDataset, root: Path) -> dict[str, list[list[str | int]]]:
    """The rows of a miniature's split file, to change and write again."""
    return json.loads(annotation_file(dataset, root).read_text())


def annotation_file(dataset: ImageDataset, root: Path) -> Path:
    """The first of a dataset's annotation files."""
    return dataset.dataset_folder(root) / dataset.split.files[0]


def write_split(file: Path, split: Mapping[str, object]) -> None:
    """Write rows as a split file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(split, indent=4))


def index_without_images(split: Split, name: str) -> ImageIndex:
    """An index as `build_index` makes it, for tests of what only needs the rows."""
    card = DatasetCard(
        name=name,
        folder=Path("unread"),
        class_names=class_names_of(split.table),
        template="a photo of a {}.",
        split_sha256=split.sha256,
    )
    return ImageIndex(split.table.assign(fingerprint="sha256:unread", source=name), card)
