"""A page with the photos to look at first, on which labels are confirmed and corrected.

It is one HTML file that needs no server: the photos are small pictures in it, the browser remembers
what was decided, and *Save* downloads a CSV of paths and labels for `vlprompt relabel`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.errors import DataError, reason_of
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.inference.label_page import thumbnail
from vlprompt_pipeline.templates import templates_of

_SIDE = 150  # pixels of a photo
_NEEDED = ("path", "label", "score")
_PREDICTED = r"label(_\d+)?"
_LABEL = rf"{_PREDICTED}|given"
_SCORE = r"score(_\d+)?"
_TEXT = rf"path|{_LABEL}"


def read_predictions(file: Path) -> pd.DataFrame:
    """Read a table of predictions, CSV or Parquet; rows without a label are left out.

    Raises:
        DataError: it cannot be read, or has not the columns `path`, `label` and `score`.
    """
    try:
        if file.suffix.lower() == ".parquet":
            table = pd.read_parquet(file)
        else:  # a class may well be called NA, null or 007
            texts = dict.fromkeys(_columns(_TEXT, pd.read_csv(file, nrows=0)), str)
            table = pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=[""])
        table = table.astype(dict.fromkeys(_columns(_SCORE, table), float))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file} ({reason_of(error)})") from None
    if absent := [name for name in _NEEDED if name not in table]:
        raise DataError(
            f"{file} has no column {' and '.join(absent)}: it is a table that vlprompt predict "
            "--out or vlprompt check-labels --out wrote"
        )
    table = table[table["label"].notna()].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{file} has no row with a label: there is nothing to review")
    texts = _columns(_TEXT, table)
    return table.astype(dict.fromkeys(texts, "object")).fillna(dict.fromkeys(texts, ""))


def _columns(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if re.fullmatch(pattern, name)]


def write_review_page(
    page: Path, table: pd.DataFrame, rows: Sequence[int], folder: Path, title: str
) -> None:
    """Write the page.

    Args:
        page: the file.
        table: of predictions.
        rows: of the table, in the order in which they are shown.
        folder: that its paths are relative to.
        title: what is reviewed.

    Raises:
        DataError: no photo is there.
    """
    shown = table.iloc[list(rows)].to_dict("records")
    tiles = [_tile(row, folder) for row in shown]
    if not any(tile["picture"] for tile in tiles):
        raise DataError(f"no photo of the table is in {folder}: name their folder with --images")
    names = {*table[_columns(_LABEL, table)].to_numpy().flat} - {""}
    templates = templates_of("curation", html=True)
    key = hashlib.sha256("\n".join(tile["path"] for tile in tiles).encode()).hexdigest()[:16]
    text = templates.get_template("review_page.html.j2").render(
        title=title,
        tiles=tiles,
        classes=sorted(names),
        rows=len(table),
        key=key,
        version=__version__,
    )
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _tile(row: Mapping[str, object], folder: Path) -> dict[str, object]:
    path = (folder / str(row["path"])).resolve()
    given = str(row.get("given") or "")
    predicted = [str(row[name]) for name in _columns(_PREDICTED, row)]
    choices = [name for name in (predicted[0], given, *predicted[1:]) if name]
    return {
        "path": str(path),
        "name": row["path"],
        "picture": thumbnail(path, _SIDE),
        "label": row["label"],
        "score": float(row["score"]),
        "given": given,
        "choices": list(dict.fromkeys(choices)),
        "wrong": bool(given) and given != row["label"],
    }
