"""The index: one row an image, the same columns for every dataset.

| column | type | meaning |
| --- | --- | --- |
| `path` | str | the image as the split file names it: posix, relative to the index's folder |
| `label` | int64 | class number, contiguous from 0 |
| `class_name` | str | name used in prompts, `_` replaced by a space |
| `part` | str | `train`, `val` or `test` |
| `fingerprint` | str | `sha256:<hex>` or `stat:<size>-…:<path>` (see `fingerprints`) |
| `source` | str | name of the dataset |

Rows stand in the order of the split file, train then val then test: few-shot sampling depends on
it. Class names are never a key, because two classes may share one (ImageNet has such pairs).
"""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.wording import counted

PARTS = ("train", "val", "test")
COLUMNS = ("path", "label", "class_name", "part", "fingerprint", "source")


def validate_rows(table: pd.DataFrame, origin: str) -> None:
    """Check the rows of a split: `path`, `label`, `class_name` and `part`.

    Raises:
        DataError: saying that there are no rows at `origin`, a path that stands twice, labels with
            gaps, or a label with two names or none.
    """
    if table.empty:
        raise DataError(f"{origin} lists no image; give it at least one row in train, val or test")
    _check_paths(table, origin)
    _check_labels(table["label"], origin)
    _check_names(table, origin)


def class_names_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return class names in label order, of a table that `validate_rows` accepts."""
    named = table.drop_duplicates("label").sort_values("label")
    return tuple(named["class_name"])


def count_parts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of images in each part."""
    sizes = table["part"].value_counts()
    return {part: int(sizes.get(part, 0)) for part in PARTS}


def _check_paths(table: pd.DataFrame, origin: str) -> None:
    if table["path"].is_unique:
        return
    twice = table[table.duplicated("path", keep=False)]
    path = twice["path"].iloc[0]
    parts = " and ".join(twice.loc[twice["path"] == path, "part"])
    others = twice["path"].nunique() - 1
    raise DataError(
        f"{origin} lists {path} more than once ({parts})"
        + (f", and so {counted(others, 'other path')}" if others else "")
        + "; keep one row an image, in one part"
    )


def _check_labels(label: pd.Series, origin: str) -> None:
    labels = set(label.unique().tolist())
    if absent := set(range(len(labels))) - labels:
        raise DataError(
            f"{origin} has {counted(len(labels), 'label')} from {min(labels)} to {max(labels)} and "
            f"no image of label {min(absent)}; number the classes 0, 1, 2, ... without gaps"
        )


def _check_names(table: pd.DataFrame, origin: str) -> None:
    names_by_label = table.groupby("label")["class_name"].unique()
    for label, names in names_by_label.items():
        if len(names) > 1:
            raise DataError(
                f"{origin} calls label {label} both {names[0]!r} and {names[1]!r}; "
                "give each label one class name"
            )
        if not names[0].strip():
            raise DataError(f"{origin} gives label {label} an empty class name; name the class")
