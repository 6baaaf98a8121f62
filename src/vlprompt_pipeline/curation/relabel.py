"""Corrected labels as the table of a dataset: what it had, with what a person decided.

The dataset is a folder or a table of own photos. Its table `<root>/<name>.csv` is written beside
the photos, none of which is moved or changed; where there are both, the table is what is read.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vlprompt_pipeline.errors import ConfigError, DataError, reason_of
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets import is_named_dataset
from vlprompt_pipeline.image_datasets.own_data.build import gather_own_data
from vlprompt_pipeline.image_datasets.own_data.class_names import name_classes
from vlprompt_pipeline.image_datasets.own_data.gathered import Gathered, Photo
from vlprompt_pipeline.image_datasets.own_data.tables import SEVERAL_LABELS
from vlprompt_pipeline.image_datasets.split import require_plain_names
from vlprompt_pipeline.parsing import DatasetName, Parameters, parse
from vlprompt_pipeline.rejection import NONE
from vlprompt_pipeline.wording import spoken

LEAVE_OUT = "leave out"


@dataclass(frozen=True)
class Relabelled:
    """What changed.

    Attributes:
        table: the file that was written.
        photos: how many it has.
        counts: `corrected`, `confirmed`, `added` and `left out`.
        new_classes: labels that no photo had before.
        replaced: a copy of the table that was there, if it had columns that the new one has not.
        lost_columns: those.
    """

    table: Path
    photos: int
    counts: Counter[str]
    new_classes: tuple[str, ...]
    replaced: Path | None = None
    lost_columns: tuple[str, ...] = ()


class _Name(Parameters):
    dataset: DatasetName


def relabel(name: str, root: Path, reviewed: Path, class_names: str | None = None) -> Relabelled:
    """Write the table of a dataset with the labels of a review.

    Photos of the review that the dataset has get its labels or are left out; the others are added,
    to its training part where it has parts. A dataset that is not there yet is made of the review
    alone. A table with further columns, such as notes, is kept under another name.

    Args:
        name: of the dataset, a folder or a table in `root`.
        root: the folder of datasets.
        reviewed: the CSV that the page saved: `path`, `label`, `decision`.
        class_names: the file of `own_data.class_names`, in `root`, by which predictions name
            classes; the table keeps the names of their folders.

    Raises:
        ConfigError: the dataset is a table in Parquet, or its name is none for own photos.
        DataError: the review, the dataset or the file of class names cannot be read.
    """
    parse(_Name, {"dataset": name}, "relabel")
    if is_named_dataset(name):
        raise ConfigError(f"{name} is no dataset of your own photos: give them another name")
    root = at_home(root).resolve()
    target = root / f"{name}.csv"
    if target.with_suffix(".parquet").exists():
        raise ConfigError(f"{name} is a table in Parquet: write it as {target.name} first")
    gathered = _gather(name, root)
    photos = {os.path.normpath(gathered.folder / photo.path): photo for photo in gathered.photos}
    decided = _as_listed(_read_review(reviewed), photos)
    before = sorted({photo.key for photo in photos.values()})
    keys = {spoken(key): key for key in before}
    called = name_classes(before, root / at_home(class_names)) if class_names else {}
    key_of_label = keys | {called[key]: key for key in called}
    in_parts = any(photo.part for photo in photos.values())
    counts: Counter[str] = Counter()
    for path, label in decided.items():
        photo = photos.get(path)
        if label is None:
            counts["left out"] += photos.pop(path, None) is not None
            continue
        key = key_of_label.get(spoken(label), label)
        if key == NONE and NONE not in before:
            raise DataError(
                f"{reviewed} labels {path} {NONE!r}, which is what a model says of a photo of no "
                "class: name its class, or leave it out"
            )
        if photo is None:
            photos[path] = Photo(path, key, "train" if in_parts else None)
            counts["added"] += 1
        else:
            counts["confirmed" if key == photo.key else "corrected"] += 1
            photos[path] = photo._replace(key=key)
    rows = [
        photo._replace(path=_path_in_table(path, root), key=keys.get(spoken(photo.key), photo.key))
        for path, photo in sorted(photos.items())
    ]
    require_plain_names([row.key for row in rows], f"the review {reviewed}")
    if several := [row.key for row in rows if SEVERAL_LABELS.search(row.key)]:
        raise DataError(
            f"the class {several[0]!r} would be read as several labels in {target.name}: give it "
            "a name without '|', ';' or brackets"
        )
    lost = gathered.unread_columns if target.exists() else ()
    replaced = target.with_name(f"{target.name}.before_review") if lost else None
    if replaced:
        with atomic_write(replaced) as copy:
            shutil.copyfile(target, copy)
    columns = ["path", "label", *(["part"] if in_parts else [])]
    table = pd.DataFrame(rows, columns=["path", "label", "part"])
    with atomic_write(target) as temporary:
        table.to_csv(temporary, columns=columns, index=False, lineterminator="\n")
    new = sorted({row.key for row in rows}.difference(before))
    return Relabelled(target, len(rows), counts, tuple(new), replaced, lost)


def _gather(name: str, root: Path) -> Gathered:
    """Return the photos of a dataset, none where it is not there yet."""
    if any((root / file_name).exists() for file_name in (name, f"{name}.csv")):
        return gather_own_data(name, root)
    return Gathered(f"{name}, which is not there yet", root)


def _as_listed(
    decided: dict[str, str | None], photos: Mapping[str, Photo]
) -> dict[str, str | None]:
    """Return decisions by the paths of the dataset's photos, where these are links to files."""
    if decided.keys() <= photos.keys():
        return decided
    listed = {os.path.realpath(path): path for path in photos}
    return {
        path if path in photos else listed.get(os.path.realpath(path), path): label
        for path, label in decided.items()
    }


def _read_review(file: Path) -> dict[str, str | None]:
    """Return the label of each path that was decided; None for one that is left out."""
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file} ({reason_of(error)})") from None
    if not {"path", "label", "decision"} <= set(table.columns):
        raise DataError(
            f"{file} has not the columns path, label and decision: it is the table that the page "
            "of vlprompt review saves"
        )
    if relative := [path for path in table["path"] if not os.path.isabs(path)]:
        raise DataError(f"{file} has the path {relative[0]!r}, not an absolute one: write it whole")
    table["label"] = table["label"].str.strip()
    out = table["decision"].eq(LEAVE_OUT)
    if wrong := table.loc[~out & table["label"].eq(""), "path"].tolist():
        raise DataError(f"{file} has no label for {wrong[0]}: give it one, or leave it out")
    return {
        path: None if left else label
        for path, label, left in zip(table["path"], table["label"], out, strict=True)
    }


def _path_in_table(path: str, root: Path) -> str:
    """Write a path as the table has it: relative to its folder, or absolute elsewhere."""
    inside = Path(path).is_relative_to(root)
    return Path(path).relative_to(root).as_posix() if inside else path
