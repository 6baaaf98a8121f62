"""Derive a dataset's miniature, and write its folder whole, never over a real dataset."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.image_datasets.made_folder import make_folder
from vlprompt_pipeline.source_code import code_digest

if TYPE_CHECKING:
    from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset

MINIATURE_PREFIX = "miniature_"

_PIXELS = 32


def miniature_of(official: ImageDataset) -> ImageDataset:
    """Derive the dataset that expects exactly what `make_miniature` writes.

    It is a dataset of its own, `miniature_<name>`, so that the checks of the whole dataset stay
    strict and its results are never taken for those of the whole dataset.
    """
    form = official.miniature
    return replace(
        official,
        name=f"{MINIATURE_PREFIX}{official.name}",
        title=f"{official.title}, miniature",
        classes=len(form.classes),
        counts=form.counts,
        split_sha256=None,
        licence="MIT",
        citation=f"noise in the form of: {official.citation}",
        source="the package itself: delete the folder and run again to make it anew",
        shift_of=official.shift_of and f"{MINIATURE_PREFIX}{official.shift_of}",
        download=None,
        path_labels=None,
        miniature=None,
        make=partial(make_miniature, official),
    )


def make_miniature(official: ImageDataset, root: Path) -> Path:
    """Write the miniature of a dataset under `root`, unless it is there already.

    Returns:
        The dataset's folder, called as that of the whole dataset.

    Raises:
        DataError: something else lies there, or the folder cannot be written.
    """
    form, target = official.miniature, official.dataset_folder(root)
    recipe = {
        "name": official.name,
        "code": code_digest(__name__, form.write_annotations.__module__),
        "rows_sha256": sha256_json(form.rows()),
    }
    make_folder(target, recipe, "miniature.json", partial(write_miniature_files, official))
    return target


def write_miniature_files(official: ImageDataset, folder: Path, seed: int = 0) -> Path:
    """Write images and annotation files into `folder`, which need not exist.

    A class has one colour, its pictures differ by noise: no two pictures are the same.
    """
    form, images = official.miniature, folder / official.image_prefix
    rows = form.rows(seed)
    noise = np.random.default_rng(seed)
    colours = noise.integers(0, 200, size=(len(form.classes), 3))
    for path, label, _ in (row for part in rows.values() for row in part):
        pixels = colours[label] + noise.integers(0, 56, size=(_PIXELS, _PIXELS, 3))
        file = images / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(file, format="JPEG", quality=90)
    form.write_annotations(folder, rows)
    return folder
