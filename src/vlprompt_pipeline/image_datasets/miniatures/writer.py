"""From a dataset to its miniature; its folder is written whole, and never over a real one."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.files import unfinished_prefix
from vlprompt_pipeline.image_datasets.checksums import first_changed, write_checksums
from vlprompt_pipeline.source_code import code_digest

if TYPE_CHECKING:
    from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset

logger = logging.getLogger(__name__)

MINIATURE_PREFIX = "miniature_"

_MARK = "miniature.json"
_PIXELS = 32


def miniature_of(official: ImageDataset) -> ImageDataset:
    """Derive the dataset that expects exactly what `make_miniature` writes.

    It is a dataset of its own, `miniature_<name>`: what is expected of the whole one is never
    loosened for it, and its results never pass for the whole one's.
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
        few_shot_digests={},
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
    name, target = official.name, official.dataset_folder(root)
    form = official.miniature
    mark = {
        "name": name,
        "code": code_digest(__name__, form.write_annotations.__module__),
        "rows_sha256": hashlib.sha256(json.dumps(form.rows()).encode()).hexdigest(),
    }
    try:
        if target.exists() and _mark_of(target) == mark:
            changed = first_changed(target)
            if changed is None:
                return target
            logger.warning("%s was changed: the miniature is written again", target / changed)
        if target.exists() and _mark_of(target) is None:
            raise DataError(
                f"{target} is there and no miniature, and is left as it is; set dataset_root to "
                "another folder for miniatures"
            )
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=unfinished_prefix(name), dir=root) as scratch:
            built = write_miniature_files(official, Path(scratch) / "new")
            (built / _MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
            write_checksums(built)
            if target.exists():
                target.rename(Path(scratch) / "old")
            built.rename(target)
    except OSError as error:
        raise DataError(
            f"cannot write the miniature of {name} to {target}: {error.strerror or error}; make "
            "the folder writable or choose another dataset_root"
        ) from error
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


def _mark_of(folder: Path) -> dict[str, object] | None:
    try:
        return json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
