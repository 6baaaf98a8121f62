"""Own photos in a table: `path`, `label` and perhaps `part`, as CSV or Parquet.

    <name>.csv                                 path,label,part
    <name>/metadata.csv, .jsonl or .parquet    file_name,label,split  (Hugging Face imagefolder)

A label is the class's name. A path is absolute or relative to the table's folder, and must not
leave it by `..`. A metadata file may stand in each of `train/`, `val/` and `test/` instead, and
where it stands in the folder above without a column `split`, the first folder of each `file_name`
says the part if all of them begin with one.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.findings import some
from vlprompt_pipeline.image_datasets.own_data.gathered import PART_NAMES, Gathered, Photo
from vlprompt_pipeline.image_datasets.split import require_inside

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def gather_table(file: Path) -> Gathered:
    """Read a table with the columns `path`, `label` and perhaps `part`.

    Where a path is absolute, the folder of the images is the deepest one that all of them share.

    Raises:
        DataError: the table is broken, lacks a column, or a row is not as described.
    """
    rows = _read_rows(file, "path", "part")
    folder = file.parent
    absolute = [Path(path).is_absolute() for path, _, _ in rows]
    if any(absolute):
        paths = [os.path.normpath(folder / path) for path, _, _ in rows]
        folder = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
        relative = [os.path.relpath(path, folder) for path in paths]
        rows = [Photo(path, row.key, row.part) for path, row in zip(relative, rows, strict=True)]
    return Gathered(f"table {file}", folder, rows)


def find_metadata(root: Path, places: Mapping[str | None, str]) -> dict[str | None, Path]:
    """Metadata files by the part they are of, None for one that stands in `root` itself.

    Raises:
        DataError: only some of the parts have one, or a folder has two.
    """
    if own := _metadata_in(root):
        return {None: own}
    found = {part: _metadata_in(root / place) for part, place in places.items()}
    present = {part: file for part, file in found.items() if file is not None}
    if present and len(present) < len(found):
        lacking = " and ".join(places[part] for part in found if part not in present)
        raise DataError(
            f"{root} has {next(iter(present.values())).relative_to(root)}, but no metadata file in "
            f"{lacking}; give each part one, or none"
        )
    return present


def gather_metadata(root: Path, metadata: Mapping[str | None, Path]) -> Gathered:
    """Read Hugging Face metadata files: `file_name`, `label` and perhaps `split`.

    Raises:
        DataError: as `gather_table`.
    """
    gathered = Gathered(f"folder {root}", root)
    for part, file in metadata.items():
        prefix = "" if file.parent == root else f"{file.parent.name}/"
        rows = _read_rows(file, "file_name", "split", relative=True)
        gathered.photos += [Photo(f"{prefix}{row.path}", row.key, part or row.part) for row in rows]
    firsts = {photo.path.partition("/")[0].lower() for photo in gathered.photos}
    if all(photo.part is None for photo in gathered.photos) and firsts <= set(PART_NAMES):
        gathered.photos = [
            Photo(path, key, PART_NAMES[path.partition("/")[0].lower()])
            for path, key, _ in gathered.photos
        ]
    return gathered


def _metadata_in(folder: Path) -> Path | None:
    found = [folder / name for name in _METADATA if (folder / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{folder} has {found[0].name} and {found[1].name}; keep one of them")
    return found[0] if found else None


def _read_rows(file: Path, path: str, part: str, *, relative: bool = False) -> list[Photo]:
    table = _read(file)
    absent = [column for column in (path, "label") if column not in table.columns]
    if absent:
        present = some([str(column) for column in table.columns]) or "none"
        raise DataError(
            f"{file} has no column {' and '.join(absent)}, but {present}; its "
            f"columns are {path}, label and perhaps {part}, separated by commas in a CSV"
        )
    if table.empty:
        raise DataError(f"{file} has no rows; give it one for each image")
    columns = [_texts(table[column]) for column in (path, "label")]
    parts = _texts(table[part]) if part in table.columns else [None] * len(table)
    return [
        _photo(*row, where=f"row {number} of {file}", column=part, relative=relative)
        for number, row in enumerate(zip(*columns, parts, strict=True), start=1)
    ]


def _photo(
    path: str, key: str, part: str | None, *, where: str, column: str, relative: bool
) -> Photo:
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
                return pd.read_json(file, lines=True, dtype=False, convert_dates=False)
            case _:
                return pd.read_parquet(file)
    except (OSError, ValueError, csv.Error, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"cannot read {file} ({reason}); write the table again") from error


def _read_csv(file: Path) -> pd.DataFrame:
    """All cells as they stand; pandas would drop the rest of a row with an unquoted comma."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True, skipinitialspace=True)
        columns, rows = reader.fieldnames or [], list(reader)
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise ValueError(
                f"row {number} has more cells than the heading; put text with commas into quotes"
            )
    return pd.DataFrame(rows, columns=columns)


def _texts(column: pd.Series) -> list[str]:
    return ["" if _is_absent(value) else str(value).strip() for value in column.tolist()]


def _is_absent(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
