"""Every published dataset: its figures, and the whole way from its folder to a few-shot set."""

from __future__ import annotations

import csv
from collections import Counter
from importlib.resources import files

import pytest

from image_datasets.miniatures import annotation_file, write_miniature
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import (
    PARTS,
    build_index,
    check_images,
    get_image_dataset,
    list_image_datasets,
    sample_few_shot,
    split_classes,
)

# classes, train, val, test, template: as printed by the papers and used by the published code
PUBLISHED = {
    "imagenet": (1000, 1_281_167, 0, 50_000, "a photo of a {}."),
    "caltech101": (100, 4_128, 1_649, 2_465, "a photo of a {}."),
    "oxford_pets": (37, 2_944, 736, 3_669, "a photo of a {}, a type of pet."),
    "stanford_cars": (196, 6_509, 1_635, 8_041, "a photo of a {}."),
    "oxford_flowers": (102, 4_093, 1_633, 2_463, "a photo of a {}, a type of flower."),
    "food101": (101, 50_500, 20_200, 30_300, "a photo of {}, a type of food."),
    "fgvc_aircraft": (100, 3_334, 3_333, 3_333, "a photo of a {}, a type of aircraft."),
    "sun397": (397, 15_880, 3_970, 19_850, "a photo of a {}."),
    "dtd": (47, 2_820, 1_128, 1_692, "{} texture."),
    "eurosat": (10, 13_500, 5_400, 8_100, "a centered satellite photo of {}."),
    "ucf101": (101, 7_639, 1_898, 3_783, "a photo of a person doing {}."),
    "imagenet_v2": (1000, 0, 0, 10_000, "a photo of a {}."),
    "imagenet_sketch": (1000, 0, 0, 50_889, "a photo of a {}."),
    "imagenet_a": (200, 0, 0, 7_500, "a photo of a {}."),
    "imagenet_r": (200, 0, 0, 30_000, "a photo of a {}."),
}
SHIFTED = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures(name):
    dataset = get_image_dataset(name)
    assert (dataset.classes, *dataset.counts, dataset.template) == PUBLISHED[name]
    assert dataset.shift_of == ("imagenet" if name in SHIFTED else None)


def test_names_are_those_of_the_published_results():
    file = files("vlprompt_pipeline.results") / "published_results.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    published = [dataset.name for dataset in list_image_datasets() if dataset.make is None]
    assert {row["dataset"] for row in rows} - {"average"} == set(published)
    assert published == list(PUBLISHED), "the order of the published tables"


@pytest.mark.parametrize("name", PUBLISHED)
def test_from_the_folder_to_a_few_shot_set(name, tmp_path):
    dataset = write_miniature(tmp_path, name)
    form = dataset.miniature
    rows = form.rows()
    index = build_index(dataset, tmp_path)
    names = [class_name.replace("_", " ") for _, class_name in form.classes]
    for part in PARTS:
        found = index.table[index.table["part"] == part]
        assert set(zip(found["path"], found["label"], strict=True)) == {
            (path, label) for path, label, _ in rows[part]
        }
    assert list(index.card.class_names) == names
    assert check_images(index).found == {
        part: len(names) * number for part, number in form.per_class._asdict().items()
    }
    halves = split_classes(index.card.class_names)
    assert [*halves.base.class_names, *halves.new.class_names] == names
    if name in SHIFTED:
        with pytest.raises(DataError, match=f"^{name} has no training images, it is for testing"):
            sample_few_shot(index, 1, 1)
    else:
        few_shot = sample_few_shot(index, 6, 1)
        labels = range(len(names))
        assert Counter(label for _, label in few_shot.train) == dict.fromkeys(labels, 6)
        val = {} if name == "imagenet" else dict.fromkeys(labels, 4)
        assert Counter(label for _, label in few_shot.val) == val


@pytest.mark.parametrize("name", PUBLISHED)
def test_nothing_is_made_up_for_an_absent_annotation(name, tmp_path):
    dataset = write_miniature(tmp_path, name)
    file = annotation_file(dataset, tmp_path)
    file.unlink()
    with pytest.raises(DataError) as caught:
        build_index(dataset, tmp_path)
    message = str(caught.value)
    assert f"dataset {name} at {file.parent} has no {file.name}; expected there are" in message
    assert "nothing is made up in place of it" in message
    assert f"get them from {dataset.source}" in message
    assert "https://" in dataset.source
    assert not file.exists()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_real_dataset_is_larger(name, tmp_path):
    write_miniature(tmp_path, name)
    with pytest.raises(DataError, match=f"is not the official one of {name}: it has .* classes"):
        build_index(name, tmp_path)


@pytest.mark.parametrize("name", ["food101", "sun397"])
def test_a_split_file_is_not_sought_where_it_is_not(name):
    """The repository of the other split files has none of these two."""
    source = get_image_dataset(name).source
    assert "CoOp/blob/main/DATASETS.md" in source and "cross_modal_adaptation" not in source
