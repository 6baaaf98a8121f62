"""Writes miniatures: a dataset's folder whole or not at all, and never over a real one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.miniatures.forms import FORMS, miniature_rows
from vlprompt_pipeline.image_datasets.published import PUBLISHED_DATASETS

VERSION = 1  # raise it with every change of a form or a picture

_MARK = "miniature.json"
_PIXELS = 32
_FOLDERS = {benchmark.name: benchmark for benchmark in PUBLISHED_DATASETS}


def make_miniature(name: str, root: Path) -> Path:
    """Write the miniature of a published dataset under `root`, unless it is there already.

    Returns:
        The dataset's folder, called as that of the whole dataset.

    Raises:
        DataError: something else lies there, or the folder cannot be written.
    """
    target, mark = _FOLDERS[name].dataset_folder(root), {"name": name, "version": VERSION}
    try:
        if target.exists() and _mark_of(target) == mark:
            return target
        if target.exists() and _mark_of(target) is None:
            raise DataError(
                f"{target} is there and no miniature, and is left as it is; set dataset_root to "
                "another folder for miniatures"
            )
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=root) as scratch:
            built = write_files(name, Path(scratch) / "new")
            (built / _MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
            if target.exists():
                target.rename(Path(scratch) / "old")
            built.rename(target)
    except OSError as error:
        raise DataError(
            f"cannot write the miniature of {name} to {target}: {error.strerror or error}; make "
            "the folder writable or choose another dataset_root"
        ) from error
    return target


def write_files(name: str, folder: Path, seed: int = 0) -> Path:
    """Write images and annotation files into `folder`, which need not exist.

    A class has one colour, its pictures differ by noise: no two pictures are the same.
    """
    rows, images = miniature_rows(name, seed), folder / _FOLDERS[name].image_prefix
    noise = np.random.default_rng(seed)
    colours = noise.integers(0, 200, size=(len(FORMS[name].classes), 3))
    for path, label, _ in (row for part in rows.values() for row in part):
        pixels = colours[label] + noise.integers(0, 56, size=(_PIXELS, _PIXELS, 3))
        file = images / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(file, format="JPEG", quality=90)
    FORMS[name].annotate(folder, rows)
    return folder


def _mark_of(folder: Path) -> dict[str, object] | None:
    try:
        return json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
