"""The form that every layout of own data is read into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.wording import counted, some

PART_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""How parts are spelt in folders and tables, in lower case."""


class Photo(NamedTuple):
    """An image: its path, its class as the folder or table names it, and its part if given."""

    path: str
    key: str
    part: str | None


@dataclass
class Gathered:
    """The images of own data and what lies beside them.

    Attributes:
        origin: where they were read from, for messages.
        folder: absolute; what the paths are relative to.
        photos: the images; either all of them have a part or none.
        ignored: number of files that are no images, by ending.
        loose: number of images outside class folders.
        empty: class folders without an image.
        unread_columns: headings of a table's columns that are not used.
    """

    origin: str
    folder: Path
    photos: list[Photo] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    loose: int = 0
    empty: tuple[str, ...] = ()
    unread_columns: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The classes in ASCII order, which is label order."""
        return sorted({photo.key for photo in self.photos})


def require_one_row_each(gathered: Gathered) -> None:
    """Check that no photo is listed twice.

    Raises:
        DataError: naming the first one with its classes, and its parts where these are given.
    """
    numbers = Counter(photo.path for photo in gathered.photos)
    twice = [path for path, number in numbers.items() if number > 1]
    if twice:
        rows = [photo for photo in gathered.photos if photo.path == twice[0]]
        as_what = some([f"{row.key} in {row.part}" if row.part else row.key for row in rows])
        raise DataError(
            f"own data in {gathered.origin} lists {twice[0]} more than once (as {as_what})"
            + (f", and so {counted(len(twice) - 1, 'other path')}" if len(twice) > 1 else "")
            + "; keep one row an image"
        )
