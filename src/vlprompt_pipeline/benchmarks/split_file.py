"""Official split files: `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from vlprompt_pipeline.benchmarks.benchmark import Benchmark, PartCounts
from vlprompt_pipeline.benchmarks.schema import PARTS, validate_rows
from vlprompt_pipeline.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """The content of a split file.

    Attributes:
        file: the file it was read from.
        table: columns `path`, `label`, `class_name` and `part`, in the file's order.
        sha256: hash of the content (parts, paths, labels, names, order) in a canonical form, so
            that indentation and line ends do not matter.
    """

    file: Path
    table: pd.DataFrame
    sha256: str

    @property
    def counts(self) -> PartCounts:
        """Images per part."""
        sizes = self.table["part"].value_counts()
        return PartCounts(*(int(sizes.get(part, 0)) for part in PARTS))


def read_split(file: Path) -> Split:
    """Read a split file and check everything that can be known without the images.

    Raises:
        DataError: not readable as JSON, not of the form above, a path that leaves the dataset's
            folder, or rows that `schema.validate_rows` refuses.
    """
    parts = _load(file)
    rows = [
        (*_checked_row(row, f"{part} row {number} of {file}"), part)
        for part in PARTS
        for number, row in enumerate(parts[part], start=1)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "class_name", "part"])
    table = table.astype({"label": "int64"})
    table["class_name"] = table["class_name"].str.replace("_", " ", regex=False)
    validate_rows(table, f"split file {file}")
    canonical = json.dumps(
        [[part, parts[part]] for part in PARTS], ensure_ascii=False, separators=(",", ":")
    )
    return Split(file, table, hashlib.sha256(canonical.encode()).hexdigest())


def verify_split(split: Split, benchmark: Benchmark) -> None:
    """Check that `split` is the official one of `benchmark`.

    Raises:
        DataError: its classes, its counts or its content differ.
    """
    classes = split.table["label"].nunique()
    if classes != benchmark.classes:
        raise _not_official(split, benchmark, f"{classes} classes", f"{benchmark.classes} classes")
    if split.counts != benchmark.counts:
        raise _not_official(split, benchmark, _spell(split.counts), _spell(benchmark.counts))
    if benchmark.split_sha256 is not None and split.sha256 != benchmark.split_sha256:
        raise _not_official(
            split,
            benchmark,
            f"the content hash {split.sha256[:16]}",
            benchmark.split_sha256[:16],
        )


def _load(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"cannot read split file {file}: {error.strerror}; put the official file there"
        ) from error
    except ValueError as error:
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


def _checked_row(row: Any, where: str) -> tuple[str, int, str]:
    match row:
        case [str(path), int(label), str(name)] if not isinstance(label, bool):
            pass
        case _:
            raise DataError(f"{where} is {row!r}; a row is [path, label number, class name]")
    # A split file is foreign input: it must not make us read outside the dataset's folder.
    posix = PurePosixPath(path)
    leaves = posix.is_absolute() or PureWindowsPath(path).drive or ".." in posix.parts
    if leaves or "\\" in path or str(posix) != path or path == ".":
        raise DataError(
            f"{where} has the path {path!r}; paths are relative to the image folder, "
            "with '/' between names and without '..'"
        )
    return path, label, name


def _spell(counts: PartCounts) -> str:
    return ", ".join(f"{part} {number:,}" for part, number in counts._asdict().items())


def _not_official(split: Split, benchmark: Benchmark, found: str, expected: str) -> DataError:
    return DataError(
        f"split file {split.file} is not the official one of {benchmark.name}: it has {found}, "
        f"expected is {expected}; results would not be comparable, so get the official file "
        f"from {benchmark.source}"
    )
