"""What the miniature of a dataset looks like: classes, paths, images per part, annotation files."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.image_datasets.split import PartCounts, Row

PartRows = dict[str, list[Row]]
"""The rows of each part of a split."""

AnnotationWriter = Callable[[Path, PartRows], None]
"""Writes annotation files into a dataset's folder, from the rows of its parts."""

_PER_CLASS = PartCounts(train=6, val=5, test=3)


@dataclass(frozen=True)
class MiniatureForm:
    """Describe how a dataset looks on disk, with a few classes under the names of real ones.

    Attributes:
        write_annotations: writes the annotation files into the dataset's folder.
        classes: a class's paths and its name, in label order. Fields of the paths: `number` counts
            within the class, `serial` over all, `folder` is one of `part_folders`.
        per_class: images of each part.
        part_folders: folder of the train and val images, and of the test images.

    Example:
        >>> from vlprompt_pipeline.image_datasets import (
        ...     MiniatureForm,
        ...     same_pattern,
        ...     split_file_writer,
        ... )
        >>> form = MiniatureForm(
        ...     split_file_writer("split_leaves.json"), same_pattern("*/{number}.jpg", "oak", "elm")
        ... )
        >>> form.counts
        PartCounts(train=12, val=10, test=6)
    """

    write_annotations: AnnotationWriter
    classes: Sequence[tuple[str, str]]
    per_class: PartCounts = _PER_CLASS
    part_folders: tuple[str, str] = ("train", "test")

    @property
    def counts(self) -> PartCounts:
        """Images per part."""
        return PartCounts(*(len(self.classes) * number for number in self.per_class))

    def rows(self, seed: int = 0) -> PartRows:
        """Make the rows of each part, class by class, a class's pictures in shuffled order."""
        rows: PartRows = {part: [] for part in self.per_class._fields}
        stream = random.Random(seed)
        for label, (pattern, class_name) in enumerate(self.classes):
            numbers = list(range(1, sum(self.per_class) + 1))
            stream.shuffle(numbers)
            for part, size in self.per_class._asdict().items():
                for number in [numbers.pop() for _ in range(size)]:
                    folder = self.part_folders[part == "test"]
                    serial = label * 100 + number
                    path = pattern.format(number=number, serial=serial, folder=folder)
                    rows[part].append((path, label, class_name))
        return rows


def same_pattern(pattern: str, *names: str) -> list[tuple[str, str]]:
    """Make classes whose paths have the class's name in place of `*`."""
    return [(pattern.replace("*", name), name) for name in names]


def split_file_writer(name: str) -> AnnotationWriter:
    """Make a writer of one split file."""

    def write(folder: Path, rows: PartRows) -> None:
        (folder / name).write_text(json.dumps(rows, indent=4), encoding="utf-8")

    return write


def write_lines(file: Path, lines: Sequence[str]) -> None:
    """Write a text file, one line each."""
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
