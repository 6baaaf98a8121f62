"""The published datasets with a few classes of a few tiny pictures each, in their real layout."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

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
Rows = dict[str, list[tuple[str, int, str]]]
Annotate = Callable[[Path, Rows], None]
_PIXELS = 32


class Form(NamedTuple):
    """How a dataset looks on disk.

    `classes` are a class's paths and its name, in label order. Fields of the paths: `number` counts
    within the class, `serial` over all, `half` is one of `halves` (val lies with train).
    """

    annotate: Annotate
    classes: Sequence[tuple[str, str]]
    per_class: PartCounts = PartCounts(train=6, val=5, test=3)
    halves: tuple[str, str] = ("train", "test")


def split_file(name: str) -> Annotate:
    """The annotation is one JSON file."""
    return lambda folder, rows: write_split(folder / name, rows)


def variant_lists(folder: Path, rows: Rows) -> None:
    """The annotation of FGVC-Aircraft: the variants, and the images of each part."""
    variants = {label: name for part in rows.values() for _, label, name in part}
    (folder / "variants.txt").write_text("".join(f"{variants[i]}\n" for i in range(len(variants))))
    for part, listed in rows.items():
        lines = [f"{path.removesuffix('.jpg')} {name}\n" for path, _, name in listed]
        (folder / f"images_variant_{part}.txt").write_text("".join(lines))


def class_name_file(folder: Path, _: Rows) -> None:
    """The annotation of ImageNet and its variants, here of four classes, two with one name."""
    lines = [f"{key} {name}\n" for key, name in zip(IDS, NAMES, strict=True)]
    (folder / "classnames.txt").write_text("".join(lines))


IDS = GOLDFISH, MISSILE, MISSILE_TOO, WALLET = "n01443537", "n03773504", "n04008634", "n04548362"
NAMES = ("goldfish", "missile", "missile", "wallet")
_TEST_ONLY = PartCounts(train=0, val=0, test=3)

FORMS = {
    "caltech101": Form(  # ASCII order of the folders, as in the real one
        split_file("split_zhou_Caltech101.json"),
        [
            ("Faces/image_{number:04}.jpg", "face"),
            ("Leopards/image_{number:04}.jpg", "leopard"),
            ("airplanes/image_{number:04}.jpg", "airplane"),
            ("car_side/image_{number:04}.jpg", "car_side"),
        ],
    ),
    "oxford_pets": Form(
        split_file("split_zhou_OxfordPets.json"),
        [
            ("Abyssinian_{number}.jpg", "abyssinian"),
            ("american_bulldog_{number}.jpg", "american_bulldog"),
            ("basset_hound_{number}.jpg", "basset_hound"),
        ],
    ),
    "stanford_cars": Form(
        split_file("split_zhou_StanfordCars.json"),
        [
            ("cars_{half}/{serial:05}.jpg", "2000 AM General Hummer SUV"),
            ("cars_{half}/{serial:05}.jpg", "2012 Acura RL Sedan"),
        ],
    ),
    "oxford_flowers": Form(
        split_file("split_zhou_OxfordFlowers.json"),
        [("image_{serial:05}.jpg", name) for name in ("pink primrose", "canterbury bells")],
    ),
    "food101": Form(
        split_file("split_zhou_Food101.json"),
        [(f"{name}/{{serial}}.jpg", name) for name in ("apple_pie", "baklava", "ceviche")],
    ),
    "fgvc_aircraft": Form(
        variant_lists,
        [("{serial:07}.jpg", name) for name in ("707-320", "F-16A/B", "Model B200")],
    ),
    "sun397": Form(
        split_file("split_zhou_SUN397.json"),
        [
            ("a/abbey/sun_a{serial:05}.jpg", "abbey"),
            ("i/ice_skating_rink/indoor/sun_b{serial:05}.jpg", "indoor ice_skating_rink"),
            ("i/ice_skating_rink/outdoor/sun_b{serial:05}.jpg", "outdoor ice_skating_rink"),
        ],
    ),
    "dtd": Form(
        split_file("split_zhou_DescribableTextures.json"),
        [(f"{name}/{name}_{{number:04}}.jpg", name) for name in ("banded", "polka-dotted")],
    ),
    "eurosat": Form(
        split_file("split_zhou_EuroSAT.json"),
        [
            ("AnnualCrop/AnnualCrop_{number}.jpg", "Annual Crop Land"),
            ("SeaLake/SeaLake_{number}.jpg", "Sea or Lake"),
        ],
    ),
    "ucf101": Form(
        split_file("split_zhou_UCF101.json"),
        [
            ("Apply_Eye_Makeup/v_ApplyEyeMakeup_g{number:02}_c01.jpg", "Apply_Eye_Makeup"),
            ("Yo_Yo/v_YoYo_g{number:02}_c01.jpg", "Yo_Yo"),
        ],
    ),
    "imagenet": Form(
        class_name_file,
        [
            (f"{{half}}/{key}/{key}_{{number}}.JPEG", name)
            for key, name in zip(IDS, NAMES, strict=True)
        ],
        PartCounts(train=16, val=0, test=3),
        ("train", "val"),
    ),
    "imagenet_v2": Form(
        class_name_file,
        [(f"{place}/{{serial:x}}.jpeg", name) for place, name in enumerate(NAMES)],
        _TEST_ONLY,
    ),
    "imagenet_sketch": Form(
        class_name_file,
        [(f"{key}/sketch_{{number}}.JPEG", name) for key, name in zip(IDS, NAMES, strict=True)],
        _TEST_ONLY,
    ),
    "imagenet_a": Form(
        class_name_file,
        [
            (f"{GOLDFISH}/0.{{serial:06}}_fox.jpg", "goldfish"),
            (f"{MISSILE_TOO}/0.{{serial:06}}_pole.jpg", "missile"),
            (f"{WALLET}/0.{{serial:06}}_book.jpg", "wallet"),
        ],
        _TEST_ONLY,
    ),
    "imagenet_r": Form(
        class_name_file,
        [
            (f"{MISSILE}/art_{{number}}.jpg", "missile"),
            (f"{MISSILE_TOO}/toy_{{number}}.jpg", "missile"),
        ],
        _TEST_ONLY,
    ),
}


def write_miniature(root: Path, name: str = "caltech101", seed: int = 0) -> Benchmark:
    """Write a dataset under `root` and give the benchmark that expects exactly what was written.

    A class has one colour, its pictures differ by noise: no two pictures are the same.
    """
    form, official = FORMS[name], get_benchmark(name)
    rows = miniature_rows(name, seed)
    noise = np.random.default_rng(seed)
    colours = noise.integers(0, 200, size=(len(form.classes), 3))
    for path, label, _ in (row for part in rows.values() for row in part):
        _write_picture(official.image_folder(root) / path, colours[label], noise)
    form.annotate(official.dataset_folder(root), rows)
    return replace(
        official,
        classes=len(form.classes),
        counts=PartCounts(*(len(form.classes) * number for number in form.per_class)),
        split_sha256=None,
    )


def miniature_rows(name: str, seed: int = 0) -> Rows:
    """The rows of each part, class by class, the pictures of a class in shuffled order."""
    form = FORMS[name]
    rows: Rows = {part: [] for part in form.per_class._fields}
    stream = random.Random(seed)
    for label, (pattern, class_name) in enumerate(form.classes):
        numbers = list(range(1, sum(form.per_class) + 1))
        stream.shuffle(numbers)
        for part, wanted in form.per_class._asdict().items():
            for number in [numbers.pop() for _ in range(wanted)]:
                half = form.halves[part == "test"]
                path = pattern.format(number=number, serial=label * 100 + number, half=half)
                rows[part].append((path, label, class_name))
    return rows


def read_split_rows(benchmark: Benchmark, root: Path) -> dict[str, list[list[str | int]]]:
    """The rows of a miniature's split file, to change and write again."""
    return json.loads(annotation_file(benchmark, root).read_text())


def annotation_file(benchmark: Benchmark, root: Path) -> Path:
    """The first of a dataset's annotation files."""
    return benchmark.dataset_folder(root) / benchmark.split.files[0]


def write_split(file: Path, split: Mapping[str, object]) -> None:
    """Write rows as a split file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(split, indent=4))


def index_without_images(split: Split, name: str) -> BenchmarkIndex:
    """An index as `build_index` makes it, for tests of what only needs the rows."""
    return BenchmarkIndex(
        name=name,
        table=split.table.assign(fingerprint="sha256:unread", source=name),
        folder=Path("unread"),
        class_names=class_names_of(split.table),
        template="a photo of a {}.",
        split_sha256=split.sha256,
    )


def _write_picture(file: Path, colour: np.ndarray, noise: np.random.Generator) -> None:
    pixels = colour + noise.integers(0, 56, size=(_PIXELS, _PIXELS, 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file, format="JPEG", quality=90)
