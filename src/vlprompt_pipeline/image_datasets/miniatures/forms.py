"""How each published dataset looks on disk: folders, file names, annotation files and split file.

A few classes of each, under the names of real ones. ImageNet and its variants share four, two of
them with one name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.image_datasets.miniatures.annotate import (
    Rows,
    class_name_file,
    read_me,
    split_and_test_list,
    split_file,
    variant_lists,
)
from vlprompt_pipeline.image_datasets.split import PartCounts


class Form(NamedTuple):
    """How a dataset looks on disk.

    Attributes:
        annotate: writes the annotation files into the dataset's folder.
        classes: a class's paths and its name, in label order. Fields of the paths: `number` counts
            within the class, `serial` over all, `half` is one of `halves`.
        per_class: images of each part.
        halves: folder of the train and val images, and of the test images.
    """

    annotate: Callable[[Path, Rows], None]
    classes: Sequence[tuple[str, str]]
    per_class: PartCounts = PartCounts(train=6, val=5, test=3)
    halves: tuple[str, str] = ("train", "test")


IDS = GOLDFISH, MISSILE, MISSILE_TOO, WALLET = "n01443537", "n03773504", "n04008634", "n04548362"
NAMES = ("goldfish", "missile", "missile", "wallet")
_IMAGENET = tuple(zip(IDS, NAMES, strict=True))
_TEST_ONLY = PartCounts(train=0, val=0, test=3)


def _each(pattern: str, *names: str) -> list[tuple[str, str]]:
    """Classes whose paths have the name in place of `*`."""
    return [(pattern.replace("*", name), name) for name in names]


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
            ("beagle_{number}.jpg", "beagle"),
        ],
    ),
    "stanford_cars": Form(
        split_file("split_zhou_StanfordCars.json"),
        _each(
            "cars_{half}/{serial:05}.jpg",
            "2000 AM General Hummer SUV",
            "2012 Acura RL Sedan",
            "2012 Acura TL Sedan",
            "2008 Acura TL Type-S",
        ),
    ),
    "oxford_flowers": Form(
        split_file("split_zhou_OxfordFlowers.json"),
        _each("image_{serial:05}.jpg", "pink primrose", "canterbury bells", "sweet pea", "rose"),
    ),
    "food101": Form(
        split_file("split_zhou_Food101.json"),
        _each("*/{serial}.jpg", "apple_pie", "baklava", "ceviche", "waffles"),
    ),
    "fgvc_aircraft": Form(
        variant_lists, _each("{serial:07}.jpg", "707-320", "737-200", "F-16A/B", "Model B200")
    ),
    "sun397": Form(
        split_and_test_list("split_zhou_SUN397.json", "Testing_01.txt"),
        [
            ("a/abbey/sun_a{serial:05}.jpg", "abbey"),
            ("i/ice_skating_rink/indoor/sun_b{serial:05}.jpg", "indoor ice_skating_rink"),
            ("i/ice_skating_rink/outdoor/sun_b{serial:05}.jpg", "outdoor ice_skating_rink"),
            ("z/zen_garden/sun_b{serial:05}.jpg", "zen_garden"),
        ],
    ),
    "dtd": Form(
        split_file("split_zhou_DescribableTextures.json"),
        _each("*/*_{number:04}.jpg", "banded", "blotchy", "polka-dotted", "zigzagged"),
    ),
    "eurosat": Form(
        split_file("split_zhou_EuroSAT.json"),
        [
            ("AnnualCrop/AnnualCrop_{number}.jpg", "Annual Crop Land"),
            ("Forest/Forest_{number}.jpg", "Forest"),
            ("River/River_{number}.jpg", "River"),
            ("SeaLake/SeaLake_{number}.jpg", "Sea or Lake"),
        ],
    ),
    "ucf101": Form(
        split_file("split_zhou_UCF101.json"),
        [
            ("Apply_Eye_Makeup/v_ApplyEyeMakeup_g{number:02}_c01.jpg", "Apply_Eye_Makeup"),
            ("Archery/v_Archery_g{number:02}_c01.jpg", "Archery"),
            ("Basketball/v_Basketball_g{number:02}_c01.jpg", "Basketball"),
            ("Yo_Yo/v_YoYo_g{number:02}_c01.jpg", "Yo_Yo"),
        ],
    ),
    "imagenet": Form(
        class_name_file(_IMAGENET),
        [(f"{{half}}/{key}/{key}_{{number}}.JPEG", name) for key, name in _IMAGENET],
        PartCounts(train=16, val=0, test=3),
        ("train", "val"),
    ),
    "imagenet_v2": Form(
        class_name_file(_IMAGENET),
        [(f"{place}/{{serial:x}}.jpeg", name) for place, name in enumerate(NAMES)],
        _TEST_ONLY,
    ),
    "imagenet_sketch": Form(
        class_name_file(_IMAGENET),
        [(f"{key}/sketch_{{number}}.JPEG", name) for key, name in _IMAGENET],
        _TEST_ONLY,
    ),
    "imagenet_a": Form(
        read_me("imagenet-a", class_name_file(_IMAGENET)),
        [
            (f"{GOLDFISH}/0.{{serial:06}}_fox.jpg", "goldfish"),
            (f"{MISSILE_TOO}/0.{{serial:06}}_pole.jpg", "missile"),
            (f"{WALLET}/0.{{serial:06}}_book.jpg", "wallet"),
        ],
        _TEST_ONLY,
    ),
    "imagenet_r": Form(
        read_me("imagenet-r", class_name_file(_IMAGENET)),
        [
            (f"{MISSILE}/art_{{number}}.jpg", "missile"),
            (f"{MISSILE_TOO}/toy_{{number}}.jpg", "missile"),
        ],
        _TEST_ONLY,
    ),
}
"""By the name of the published dataset."""


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
