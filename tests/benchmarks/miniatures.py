"""A Caltech-101 of a few tiny pictures in the real layout, and indices without any picture."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vlprompt_pipeline.benchmarks import (
    Benchmark,
    BenchmarkIndex,
    PartCounts,
    Split,
    get_benchmark,
)
from vlprompt_pipeline.benchmarks.schema import class_names_of

DATA = Path(__file__).resolve().parents[1] / "data"

# Folder to class name, in label order: ASCII order of the folders, as in the real one.
FOLDERS = {"Faces": "face", "Leopards": "leopard", "airplanes": "airplane", "car_side": "car_side"}
PER_CLASS = PartCounts(train=6, val=5, test=3)
_PIXELS = 32


def write_miniature(
    root: Path,
    folders: Mapping[str, str] = FOLDERS,
    per_class: PartCounts = PER_CLASS,
    seed: int = 0,
) -> Benchmark:
    """Write `root`/caltech-101 and give the benchmark that expects exactly what was written.

    A class has one colour, its pictures differ by noise: no two pictures are the same.
    """
    benchmark = replace(
        get_benchmark("caltech101"),
        classes=len(folders),
        counts=PartCounts(*(len(folders) * number for number in per_class)),
        split_sha256=None,
    )
    split: dict[str, list[list[str | int]]] = {part: [] for part in per_class._fields}
    stream = random.Random(seed)
    noise = np.random.default_rng(seed)
    for label, (folder, name) in enumerate(folders.items()):
        numbers = list(range(1, sum(per_class) + 1))
        stream.shuffle(numbers)
        colour = noise.integers(0, 200, size=3)
        for part, number in per_class._asdict().items():
            for _ in range(number):
                path = f"{folder}/image_{numbers.pop():04}.jpg"
                _write_picture(benchmark.image_folder(root) / path, colour, noise)
                split[part].append([path, label, name])
    write_split(benchmark.split_path(root), split)
    return benchmark


def read_split_rows(benchmark: Benchmark, root: Path) -> dict[str, list[list[str | int]]]:
    """The rows of a miniature's split file, to change and write again."""
    return json.loads(benchmark.split_path(root).read_text())


def write_split(file: Path, split: Mapping[str, object]) -> None:
    """Write rows as a split file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(split, indent=4))


def index_without_images(split: Split, name: str) -> BenchmarkIndex:
    """An index as `build_index` makes it, for tests of what only needs the rows."""
    return BenchmarkIndex(
        name=name,
        table=split.table.assign(fingerprint="sha256:unread", source=name),
        folder=split.file.parent,
        class_names=class_names_of(split.table),
        template="a photo of a {}.",
        split_sha256=split.sha256,
    )


def _write_picture(file: Path, colour: np.ndarray, noise: np.random.Generator) -> None:
    pixels = colour + noise.integers(0, 56, size=(_PIXELS, _PIXELS, 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file, quality=90)
