"""Find the images of a split that are not on disk; all are reported at once, class by class."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import list_folder

_FIRST_PATHS = 5
_FIRST_CLASSES = 30


def find_absent(paths: pd.Series, folder: Path) -> np.ndarray:
    """Tell which paths are no file under `folder`, `[paths]` of bool.

    Each folder is listed once: a look at every file would take minutes on a network disk.

    Raises:
        DataError: a folder may not be listed.
    """
    listings: dict[str, frozenset[str]] = {}
    absent = []
    for path in paths.tolist():  # iterating over the series is slow
        parent, _, name = path.rpartition("/")
        if parent not in listings:
            there = os.path.isdir(folder / parent)
            files = list_folder(folder / parent, hidden=True).files if there else ()
            listings[parent] = frozenset(files)
        absent.append(name not in listings[parent])
    return np.array(absent, dtype=bool)


def require_present(table: pd.DataFrame, folder: Path, origin: str, remedy: str) -> None:
    """Check that every image of `table` is a file under `folder`.

    Args:
        table: the columns `path`, `label` and `class_name`.
        folder: what the paths are relative to.
        origin: what lists the images, for the message.
        remedy: what the user can do, for the message.

    Raises:
        DataError: naming the classes with absent images, and class folders that do not exist.
    """
    absent = find_absent(table["path"], folder)
    if not absent.any():
        return
    first = ", ".join(table.loc[absent, "path"].head(_FIRST_PATHS))
    remedy = f"{_spelt_otherwise(table.loc[absent, 'path'].iloc[0], folder)}{remedy}"
    raise DataError(
        f"{absent.sum():,} of the {len(table):,} images in {origin} are not under {folder}: "
        f"{'; '.join(_per_class(table, absent, folder))}; the first are {first}; {remedy}"
    )


def _spelt_otherwise(path: str, folder: Path) -> str:
    """Say that there is a file whose name looks the same; empty if there is none."""
    for form in ("NFC", "NFD"):
        spelling = unicodedata.normalize(form, path)
        if spelling != path and os.path.isfile(folder / spelling):
            return (
                f"{path!a} looks like the file {spelling!a}, whose accents are encoded "
                "otherwise: spell both alike; "
            )
    return ""


def _per_class(table: pd.DataFrame, absent: np.ndarray, folder: Path) -> list[str]:
    """Write a phrase for each class with absent images, in label order, up to a readable number."""
    totals = table["label"].value_counts()
    phrases = []
    for label, rows in table[absent].groupby("label"):
        if len(phrases) == _FIRST_CLASSES:
            others = table.loc[absent, "label"].nunique() - _FIRST_CLASSES
            return [*phrases, f"and {others} other classes"]
        parents = sorted({path.rpartition("/")[0] for path in rows["path"]})
        gone = [parent for parent in parents if not os.path.isdir(folder / parent)]
        phrases.append(
            f"{rows['class_name'].iloc[0]} {len(rows)} of {totals[label]}"
            + (f" (no folder {', '.join(gone)})" if gone else "")
        )
    return phrases
