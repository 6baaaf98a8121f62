"""A split: which images are for training, validation and testing, in one form for all datasets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple, Protocol

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.schema import PARTS, count_parts, validate_rows
from vlprompt_pipeline.wording import readable, some

# Some characters break lines of lists and tables, undecodable bytes are no text, and a backslash
# separates folders on another system.
_STRANGE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")

Row = tuple[str, int, str]
"""Path of an image, its label and its class name."""


class PartCounts(NamedTuple):
    """Number of images in each part of a split."""

    train: int
    val: int
    test: int


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a dataset.

    Attributes:
        origin: what it was read from, for messages.
        table: columns `path`, `label`, `class_name` and `part`; parts in the order of
            `schema.PARTS`, rows in the order of the annotations.
        sha256: hash of the content (parts, paths, labels, names, order) in a canonical form, so
            that the indentation and the line ends of a file do not matter.
    """

    origin: str
    table: pd.DataFrame
    sha256: str

    @classmethod
    def from_rows(cls, origin: str, parts: Mapping[str, Sequence[Row]]) -> Split:
        """Make a split of the rows of its parts; a part that is not given is empty.

        Raises:
            DataError: `require_plain_names` or `schema.validate_rows` refuses the rows.
        """
        full = [(part, parts.get(part, ())) for part in PARTS]
        require_plain_names([text for _, rows in full for row in rows for text in row[::2]], origin)
        columns = {
            "path": [path for _, rows in full for path, _, _ in rows],
            "label": [label for _, rows in full for _, label, _ in rows],
            "class_name": [readable(name) for _, rows in full for _, _, name in rows],
            "part": [part for part, rows in full for _ in rows],
        }
        table = pd.DataFrame(columns).astype({"label": "int64"})
        validate_rows(table, origin)
        canonical = json.dumps(full, ensure_ascii=False, separators=(",", ":"))
        return cls(origin, table, hashlib.sha256(canonical.encode()).hexdigest())

    @property
    def counts(self) -> PartCounts:
        """Images per part."""
        return PartCounts(**count_parts(self.table))


class SplitSource(Protocol):
    """How a dataset writes its split down."""

    @property
    def files(self) -> tuple[str, ...]:
        """Annotation files that `read` needs, relative to the dataset's folder."""

    def read(self, folder: Path, images: Path) -> Split:
        """Read the split.

        Args:
            folder: the dataset's folder.
            images: the folder its paths are relative to.

        Raises:
            DataError: the annotations cannot be read or contradict each other.
        """


def require_plain_names(names: Sequence[str], origin: str) -> None:
    """Check that names can stand in tables, split files and reports.

    Raises:
        DataError: naming those with control characters, backslashes or bytes that are no text.
    """
    if not _STRANGE.search("".join(names)):  # one search of all is faster than one of each
        return
    strange = [ascii(name) for name in dict.fromkeys(names) if _STRANGE.search(name)]
    raise DataError(
        f"{origin} has names with control characters, backslashes or bytes that are no UTF-8 "
        f"({some(strange)}); rename them"
    )


def require_inside(path: str, where: str) -> None:
    """Check a path of an annotation file, which is foreign input: it must stay in the folder.

    Raises:
        DataError: the path is absolute, climbs up or is not in its plain posix form.
    """
    posix = PurePosixPath(path)
    leaves = posix.is_absolute() or PureWindowsPath(path).drive or ".." in posix.parts
    if leaves or "\\" in path or str(posix) != path or path == ".":
        raise DataError(
            f"{where} has the path {path!r}; paths are relative to the image folder, "
            "with '/' between names and without '..'"
        )
