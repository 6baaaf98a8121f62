"""Annotation files that the miniatures of several datasets have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vlprompt_pipeline.image_datasets.miniatures.form import AnnotationWriter, PartRows


def split_file_writer(name: str) -> AnnotationWriter:
    """Make a writer of one split file."""

    def write(folder: Path, rows: PartRows) -> None:
        (folder / name).write_text(json.dumps(rows, indent=4), encoding="utf-8")

    return write


def write_lines(file: Path, lines: Sequence[str]) -> None:
    """Write a text file, one line each."""
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
