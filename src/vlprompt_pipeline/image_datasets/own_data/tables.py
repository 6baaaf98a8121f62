"""Own photos in a table: `path`, `label` and perhaps `part`, as CSV or Parquet.

    <name>.csv                                 path,label,part
    <name>/metadata.csv, .jsonl or .parquet    file_name,label,split  (Hugging Face imagefolder)

Headings are read in upper and lower case; `part` may be called `split` and `path` `file_name`, in
either kind of table. A label is the class's name, one in each row. A path is absolute or relative
to the table's folder, and must not leave it by `..`. A metadata file may stand in each of `train/`,
`val/` and `test/` instead, and where it stands in the folder above without a column of parts, the
first folder of each path says the part if all of them begin with one.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import DataError, reason_of
from vlprompt_pipeline.image_datasets.own_data.gathered import PART_NAMES, Gathered, Photo
from vlprompt_pipeline.image_datasets.split import require_inside
from vlprompt_pipeline.wording import some

_HEADINGS = {"path": "path", "file_name": "path", "label": "label", "part": "part", "split": "part"}
"""Columns by their headings in lower case."""

SEVERAL_LABELS = re.compile(r"[|;]|^\[.*\]$")
_ONE_LABEL = "an image has one class here: leave one label, without '|', ';' or brackets"
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def gather_table(file: Path) -> Gathered:
    """Read a table with the columns `path`, `label` and perhaps `part`.

    Where a path is absolute, the folder of the images is the deepest one that all of them share.

    Raises:
        DataError: the table is broken, lacks a column, or a row is not as described.
    """
    rows, unread = _read_rows(file)
    folder = file.parent
    if any(Path(row.path).is_absolute() for row in rows):
        rows = [row._replace(path=os.path.normpath(folder / row.path)) for row in rows]
        folder = Path(os.path.commonpath([os.path.dirname(row.path) for row in rows]))
        rows = [row._replace(path=os.path.relpath(row.path, folder)) for row in rows]
    return Gathered(f"table {file}", folder, rows, unread_columns=unread)


def metadata_in(folder: Path) -> Path | None:
    """Return the metadata file of a folder, None if there is none.

    Raises:
        DataError: there are two.
    """
    files = [folder / name for name in _METADATA if (folder / name).is_file()]
    if len(files) > 1:
        raise DataError(f"{folder} has {files[0].name} and {files[1].name}; keep one of them")
    return files[0] if files else None


def find_metadata(root: Path, part_folders: Mapping[str | None, str]) -> dict[str | None, Path]:
    """Return the metadata file of each part, nothing if none has one.

    Raises:
        DataError: only some of the parts have one, or a folder has two.
    """
    by_part = {part: metadata_in(root / folder) for part, folder in part_folders.items()}
    present = {part: file for part, file in by_part.items() if file is not None}
    if present and len(present) < len(by_part):
        lacking = " and ".join(part_folders[part] for part in by_part if part not in present)
        raise DataError(
            f"{root} has {next(iter(present.values())).relative_to(root)}, but no metadata file in "
            f"{lacking}; give each part one, or none"
        )
    return present


def gather_metadata(root: Path, metadata: Mapping[str | None, Path]) -> Gathered:
    """Read Hugging Face metadata files: `file_name`, `label` and perhaps `split`.

    Args:
        root: the folder of the dataset.
        metadata: file by part, None for one that stands in `root` itself.

    Raises:
        DataError: as `gather_table`.
    """
    gathered = Gathered(f"folder {root}", root)
    for part, file in metadata.items():
        prefix = "" if file.parent == root else f"{file.parent.name}/"
        rows, unread = _read_rows(file, relative=True)
        gathered.unread_columns = tuple(dict.fromkeys([*gathered.unread_columns, *unread]))
        gathered.photos += [Photo(f"{prefix}{row.path}", row.key, part or row.part) for row in rows]
    photos = gathered.photos
    parts = [PART_NAMES.get(photo.path.partition("/")[0].lower()) for photo in photos]
    if all(parts) and all(photo.part is None for photo in photos):
        gathered.photos = [p._replace(part=part) for p, part in zip(photos, parts, strict=True)]
    return gathered


def _read_rows(file: Path, *, relative: bool = False) -> tuple[list[Photo], tuple[str, ...]]:
    """Return the rows of a table, and the headings of the columns that are not read."""
    table = _read(file)
    columns, unread = _columns(table, file)
    absent = [column for column in ("path", "label") if column not in columns]
    if absent:
        present = some([str(column) for column in table.columns]) or "none"
        raise DataError(
            f"{file} has no column {' and '.join(absent)}, but {present}; its columns are path "
            "(or file_name), label and perhaps part (or split), separated by commas in a CSV"
        )
    if table.empty:
        raise DataError(f"{file} has no rows; give it one for each image")
    heading = columns.get("part")
    paths, labels = _texts(table[columns["path"]]), table[columns["label"]].tolist()
    parts = [None] * len(table) if heading is None else _texts(table[heading])
    rows = []
    for number, (path, label, part) in enumerate(zip(paths, labels, parts, strict=True), start=1):
        where = f"row {number} of {file}"
        rows.append(_photo(path, _label(label, where), part, where, str(heading), relative))
    return rows, unread


def _columns(table: pd.DataFrame, file: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the heading of each column that is read, and the headings of the others.

    Raises:
        DataError: two headings say the same.
    """
    columns: dict[str, str] = {}
    unread = []
    for heading in table.columns:
        column = _HEADINGS.get(str(heading).strip().lower())
        if column is None:
            unread.append(str(heading))
        elif column in columns:
            raise DataError(
                f"{file} has the columns {columns[column]} and {heading}, which say the same; "
                "keep one of them"
            )
        else:
            columns[column] = heading
    return columns, tuple(unread)


def _label(value: object, where: str) -> str:
    """Return the class of a row; whole numbers without a point, however the table stores them.

    Raises:
        DataError: there are several labels, or one that is neither a text nor a whole number.
    """
    if isinstance(value, list | np.ndarray):
        if len(value) != 1:
            raise DataError(f"{where} has {len(value)} labels; {_ONE_LABEL}")
        value = value[0]
    if isinstance(value, bytes | dict):
        raise DataError(f"{where} has the label {value!r}, which is no text; write its name")
    if isinstance(value, float) and not math.isnan(value):
        if not value.is_integer():
            raise DataError(f"{where} has the label {value}, which is no class; give it a name")
        value = int(value)
    text = "" if _is_absent(value) else str(value).strip()
    if SEVERAL_LABELS.search(text):
        raise DataError(f"{where} has the label {text!r}, which is several; {_ONE_LABEL}")
    return text


def _photo(path: str, key: str, part: str | None, where: str, column: str, relative: bool) -> Photo:
    if not path or not key:
        raise DataError(f"{where} has no {'label' if path else 'path'}; every image needs both")
    if part is not None and part.lower() not in PART_NAMES:
        raise DataError(
            f"{where} has {column} {part!r}; allowed are train, val and test in every row, or no "
            f"column {column} at all"
        )
    posix = PurePosixPath(path)
    if relative or not posix.is_absolute():
        require_inside(str(posix), where)
    elif ".." in posix.parts:
        raise DataError(f"{where} has the path {path!r}; write it without '..'")
    return Photo(str(posix), key, PART_NAMES[part.lower()] if part is not None else None)


def _read(file: Path) -> pd.DataFrame:
    try:
        match file.suffix:
            case ".csv":
                return _read_csv(file)
            case ".jsonl":
                return _read_json_lines(file)
            case _:
                return pd.read_parquet(file)
    except (OSError, ValueError, csv.Error, NotImplementedError) as error:
        raise DataError(
            f"cannot read {file} ({reason_of(error)}); write the table again"
        ) from error


def _read_csv(file: Path) -> pd.DataFrame:
    """Read all cells as they stand; pandas would drop what follows an unquoted comma."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True, skipinitialspace=True)
        columns, rows = reader.fieldnames or [], list(reader)
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise ValueError(
                f"row {number} has more cells than the heading; put text with commas into quotes"
            )
    return pd.DataFrame(rows, columns=columns)


def _read_json_lines(file: Path) -> pd.DataFrame:
    """Read an object a line with its values as they stand; pandas would convert some of them."""
    rows = []
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                reason = getattr(error, "msg", "nested too deeply")
                raise ValueError(f"line {number} is not JSON: {reason}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object with the columns as its keys")
            rows.append(row)
    return pd.DataFrame(rows)


def _texts(column: pd.Series) -> list[str]:
    return ["" if _is_absent(value) else str(value).strip() for value in column.tolist()]


def _is_absent(value: object) -> bool:
    return pd.api.types.is_scalar(value) and pd.isna(value)
