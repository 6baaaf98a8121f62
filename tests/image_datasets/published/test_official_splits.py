"""The split files of the published datasets, as far as they are at hand."""

from __future__ import annotations

import pytest

from vlprompt_pipeline.image_datasets import Split, get_image_dataset, read_split, verify_split
from vlprompt_pipeline.image_datasets.schema import PARTS, class_names_of

# dataset: some labels and the names of their classes, by the rules of each dataset
CLASS_NAMES = {
    "caltech101": {0: "face", 1: "leopard", 2: "motorbike", 3: "accordion", 4: "airplane"},
    "oxford_pets": {0: "abyssinian", 1: "american bulldog", 36: "yorkshire terrier"},
    "stanford_cars": {0: "2000 AM General Hummer SUV", 1: "2012 Acura RL Sedan"},
    "oxford_flowers": {0: "pink primrose", 76: "passion flower", 101: "blackberry lily"},
    "dtd": {0: "banded", 46: "zigzagged"},
    "eurosat": dict(
        enumerate(
            [
                "Annual Crop Land",
                "Forest",
                "Herbaceous Vegetation Land",
                "Highway or Road",
                "Industrial Buildings",
                "Pasture Land",
                "Permanent Crop Land",
                "Residential Buildings",
                "River",
                "Sea or Lake",
            ]
        )
    ),
    "ucf101": {0: "Apply Eye Makeup", 50: "Long Jump", 100: "Yo Yo"},
}


@pytest.fixture(scope="module", params=CLASS_NAMES)
def official(request, shared) -> tuple[str, Split]:
    file = get_image_dataset(request.param).split.files[0]
    return request.param, read_split(shared / "reference" / "splits" / file)


def test_it_is_the_expected_one(official):
    name, split = official
    dataset = get_image_dataset(name)
    assert dataset.split_sha256 is not None
    verify_split(split, dataset)


def test_class_names(official):
    name, split = official
    names = class_names_of(split.table)
    assert {label: names[label] for label in CLASS_NAMES[name]} == CLASS_NAMES[name]
    assert not any("_" in class_name for class_name in names)


def test_every_class_has_enough_images_for_the_protocols(official):
    _, split = official
    sizes = split.table.groupby(["part", "label"]).size()
    assert [sizes[part].min() >= least for part, least in zip(PARTS, (16, 5, 1), strict=True)] == [
        True
    ] * 3


def test_flowers_do_not_begin_with_label_0(shared):
    """What few-shot sampling by first appearance depends on."""
    split = read_split(shared / "reference" / "splits" / "split_zhou_OxfordFlowers.json")
    assert split.table["label"].iloc[0] == 76


def test_paths_of_cars_start_at_the_dataset_folder(shared):
    split = read_split(shared / "reference" / "splits" / "split_zhou_StanfordCars.json")
    folders = split.table["path"].str.split("/").str[0].groupby(split.table["part"]).unique()
    assert {part: list(found) for part, found in folders.items()} == {
        "train": ["cars_train"],
        "val": ["cars_train"],
        "test": ["cars_test"],
    }
