"""Fixtures of the data layer: a miniature dataset and the official Caltech-101 split."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import pytest

from image_datasets.miniatures import DATA, annotation_file, write_miniature
from vlprompt_pipeline.image_datasets import ImageDataset, Split, read_split


class Miniature(NamedTuple):
    dataset: ImageDataset
    root: Path

    @property
    def images(self) -> Path:
        return self.dataset.image_folder(self.root)

    @property
    def split(self) -> Path:
        return annotation_file(self.dataset, self.root)


@pytest.fixture
def miniature(tmp_path: Path) -> Miniature:
    return Miniature(write_miniature(tmp_path), tmp_path)


@pytest.fixture(scope="session")
def caltech101_split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """The official split, kept in the repository compressed."""
    packed = DATA / "splits" / "split_zhou_Caltech101.json.gz"
    file = tmp_path_factory.mktemp("splits") / "split_zhou_Caltech101.json"
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    return read_split(file)
