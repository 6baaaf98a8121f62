"""Official split files: `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.image_datasets.split import Row, Split, require_inside

SPLIT_FILES = "the folder splits/ of https://github.com/linzhiqiu/cross_modal_adaptation"
"""Where seven of the protocols' split files can be had, as the end of a sentence."""
OTHER_SPLIT_FILES = "the drive linked in https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
"""Where those of Food101 and SUN397 can be had, which are not among the seven."""


@dataclass(frozen=True)
class SplitFile:
    """A split that stands in one JSON file beside the images.

    Attributes:
        name: file name inside the dataset's folder.
    """

    name: str

    @property
    def files(self) -> tuple[str, ...]:
        """The split file."""
        return (self.name,)

    def read(self, folder: Path, images: Path) -> Split:
        """Read the file, as `read_split`; `images` is not looked at."""
        return read_split(folder / self.name)


def read_split(file: Path) -> Split:
    """Read a split file and check everything that can be known without the images.

    Raises:
        DataError: not readable as JSON, not of the form above, a path that leaves the dataset's
            folder, or rows that `schema.validate_rows` refuses.
    """
    content = _load(file)
    return Split.from_rows(
        f"split file {file}",
        {
            part: [
                _checked_row(row, f"{part} row {number} of {file}")
                for number, row in enumerate(content[part], start=1)
            ]
            for part in PARTS
        },
    )


def _load(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"cannot read split file {file}: {error.strerror}; put the official file there"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"split file {file} is not JSON ({error}); download the official file again"
        ) from error
    if (
        not isinstance(content, dict)
        or set(content) != set(PARTS)
        or not all(isinstance(rows, list) for rows in content.values())
    ):
        raise DataError(
            f"split file {file} is not an object with the lists train, val and test; "
            "download the official file again"
        )
    return content


def _checked_row(row: Any, where: str) -> Row:
    match row:
        case [str(path), int(label), str(name)] if type(label) is int and abs(label) < 1 << 31:
            require_inside(path, where)
            return path, label, name
    raise DataError(f"{where} is {row!r}; a row is [path, label number, class name]")
