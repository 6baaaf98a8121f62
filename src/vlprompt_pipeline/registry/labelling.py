"""Label a folder of image files with a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.image_folders import IMAGE_SUFFIXES
from vlprompt_pipeline.progress import Advance
from vlprompt_pipeline.registry.classifier import BATCH, Classifier


def image_files(folder: Path) -> list[Path]:
    """List all files below a folder that are images by their names, in order.

    Raises:
        DataError: there is no such folder, or no such file in it.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"no image files in {folder}: name a folder that holds some")
    return files


def label_files(
    classifier: Classifier,
    folder: Path,
    files: Sequence[Path],
    class_names: Sequence[str],
    top: int,
    advance: Advance,
) -> pd.DataFrame:
    """Label files; return a row each of `path`, `label`, `score`, `label_2`, …, `problem`.

    A file that is no image has nothing but its `problem`.

    Raises:
        ConfigError: class names that the model cannot have.
    """
    rows: list[dict[str, Any]] = []
    for start in range(0, len(files), BATCH):
        batch = [_read(classifier, path) for path in files[start : start + BATCH]]
        good = [row for row in batch if "pixels" in row]
        if good:
            pixels = torch.stack([row.pop("pixels") for row in good])
            table = classifier.classify_pixels(pixels, class_names, top)
            ranked = zip(good, table["top_labels"], table["top_scores"], strict=True)
            for row, labels, scores in ranked:
                row.update(_ranked(labels, scores))
        rows += batch
        advance(len(batch))
    table = pd.DataFrame(rows, columns=_columns(rows))
    table.insert(0, "path", [path.relative_to(folder).as_posix() for path in files])
    return table


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns of the longest row, and `problem` last, even where there is none."""
    names = dict.fromkeys(["label", "score", *(name for row in rows for name in row)])
    return [*(name for name in names if name != "problem"), "problem"]


def _read(classifier: Classifier, path: Path) -> dict[str, Any]:
    try:
        return {"pixels": classifier.pixels(path.read_bytes())}
    except (DataError, OSError) as error:
        return {"problem": str(error)}


def _ranked(labels: Sequence[str], scores: Sequence[float]) -> dict[str, Any]:
    """Name `label` and `score` of the first, then `label_2`, `score_2` and so on."""
    row: dict[str, Any] = {}
    for rank, (label, score) in enumerate(zip(labels, scores, strict=True), start=1):
        ending = "" if rank == 1 else f"_{rank}"
        row |= {f"label{ending}": label, f"score{ending}": score}
    return row
