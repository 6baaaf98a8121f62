"""The annotation files that the published datasets come with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from vlprompt_pipeline.image_datasets.split import Row

Rows = dict[str, list[Row]]
Annotate = Callable[[Path, Rows], None]
"""Writes annotation files into a dataset's folder, from the rows of its parts."""


def split_file(name: str) -> Annotate:
    """One JSON file."""

    def annotate(folder: Path, rows: Rows) -> None:
        (folder / name).write_text(json.dumps(rows, indent=4), encoding="utf-8")

    return annotate


def split_and_test_list(name: str, test_list: str) -> Annotate:
    """SUN397: also the official list of test images, whose paths start with a slash."""

    def annotate(folder: Path, rows: Rows) -> None:
        split_file(name)(folder, rows)
        _write_lines(folder / test_list, [f"/{path}" for path, _, _ in rows["test"]])

    return annotate


def variant_lists(folder: Path, rows: Rows) -> None:
    """FGVC-Aircraft: the variants, and the images of each part."""
    variants = {label: name for part in rows.values() for _, label, name in part}
    _write_lines(folder / "variants.txt", [variants[label] for label in range(len(variants))])
    for part, listed in rows.items():
        lines = [f"{path.removesuffix('.jpg')} {name}" for path, _, name in listed]
        _write_lines(folder / f"images_variant_{part}.txt", lines)


def class_name_file(classes: Sequence[tuple[str, str]]) -> Annotate:
    """ImageNet and its variants: WordNet ids and class names."""

    def annotate(folder: Path, rows: Rows) -> None:
        _write_lines(folder / "classnames.txt", [f"{key} {name}" for key, name in classes])

    return annotate


def read_me(images: str, annotate: Annotate) -> Annotate:
    """ImageNet-A and -R: also a file beside the class folders, which is no class."""

    def both(folder: Path, rows: Rows) -> None:
        annotate(folder, rows)
        _write_lines(folder / images / "README.txt", ["about the images"])

    return both


def _write_lines(file: Path, lines: Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
