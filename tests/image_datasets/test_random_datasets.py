"""A random split of a published dataset: by name only, with the official classes, and marked."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest

from image_datasets.miniatures import DATA, annotation_file, write_miniature
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    RandomSplit,
    build_index,
    get_image_dataset,
    list_image_datasets,
    read_split,
)
from vlprompt_pipeline.image_datasets.schema import class_names_of

SPLITTABLE = [dataset.name for dataset in list_image_datasets() if dataset.path_labels]


@pytest.mark.parametrize("name", SPLITTABLE)
def test_without_the_split_file_it_has_the_official_classes_in_their_order(name, tmp_path):
    dataset = write_miniature(tmp_path, name)
    official = build_index(dataset, tmp_path)
    annotation_file(dataset, tmp_path).unlink()
    found = build_index(dataset, tmp_path, RandomSplit(seed=3))
    assert found.card.random_split == "own random split, seed 3"
    assert found.card.template == official.card.template
    assert sorted(found.card.class_names) == sorted(official.card.class_names)
    assert found.card.split_sha256 != official.card.split_sha256
    columns = ["path", "class_name"]
    rows = [set(i.table[columns].itertuples(index=False, name=None)) for i in (found, official)]
    assert rows[0] == rows[1]


def test_each_class_is_split_in_the_shares(tmp_path):
    dataset = write_miniature(tmp_path, "dtd")
    found = build_index(dataset, tmp_path, RandomSplit(train=0.5, val=0.0, test=0.5))
    sizes = Counter(zip(found.table["label"], found.table["part"], strict=True))
    assert {part for _, part in sizes} == {"train", "test"}
    assert all(abs(sizes[label, "train"] - sizes[label, "test"]) <= 1 for label in (0, 1))


def test_copies_are_in_one_part(tmp_path):
    dataset = write_miniature(tmp_path, "dtd")
    folder = dataset.image_folder(tmp_path)
    for file in sorted(folder.rglob("*.jpg")):
        file.with_stem(f"{file.stem}_copy").write_bytes(file.read_bytes())
    table = build_index(dataset, tmp_path, RandomSplit()).table
    assert table["fingerprint"].duplicated().any()
    assert table.groupby("fingerprint")["part"].nunique().max() == 1


def test_caltech_has_its_own_names_and_leaves_two_folders_out(tmp_path):
    dataset = write_miniature(tmp_path)
    images = dataset.image_folder(tmp_path)
    for ignored in ("BACKGROUND_Google", "Faces_easy"):
        (images / ignored).mkdir()
    names = build_index(dataset, tmp_path, RandomSplit()).card.class_names
    assert set(names) == {"face", "leopard", "airplane", "car side"}


@pytest.mark.parametrize("name", sorted(set(IMAGE_DATASETS) - set(SPLITTABLE)))
def test_datasets_whose_labels_are_in_annotations_cannot_be(name, tmp_path):
    with pytest.raises(ConfigError, match=f"^split is 'random', but the paths of {name} do not"):
        build_index(name, tmp_path, RandomSplit())


def test_images_that_are_not_there(tmp_path):
    with pytest.raises(
        DataError, match=r"dataset dtd is not at .*/dtd/images; get its images from"
    ):
        build_index("dtd", tmp_path, RandomSplit())


def test_classes_that_are_absent(tmp_path):
    write_miniature(tmp_path, "dtd")
    with pytest.raises(
        DataError, match="has images of 4 classes, dtd has 47; unpack the archive whole, fr"
    ):
        build_index("dtd", tmp_path, RandomSplit())


def test_real_photos(shared):
    """All of Caltech-101, whose split file is there and is not looked at."""
    if not (shared / "data/caltech-101").is_dir():
        pytest.skip("the photos of Caltech-101 are not there")
    found = build_index(get_image_dataset("caltech101"), shared / "data", RandomSplit())
    official = build_index("caltech101", shared / "data")
    assert found.card.class_names == official.card.class_names
    assert len(found.table) == len(official.table) == 8242
    assert set(found.table["path"]) == set(official.table["path"])


@pytest.mark.parametrize("name", sorted(set(SPLITTABLE) - {"food101", "sun397"}))
def test_classes_have_the_names_and_the_order_of_the_official_split(shared, name):
    """Of every image that the split file lists; the files of the other two are not at hand."""
    dataset = get_image_dataset(name)
    path_labels = dataset.path_labels
    table = read_split(shared / "reference/splits" / dataset.split.name).table
    found = {
        (key, path_labels.renamed.get(key) or path_labels.class_name(key), label)
        for path, label in zip(table["path"], table["label"], strict=True)
        for key in [path_labels.class_key(PurePosixPath(path))]
    }
    assert len(found) == dataset.classes
    ordered = sorted(found, key=lambda each: path_labels.label_order(each[0]))
    assert [label for *_, label in ordered] == list(range(dataset.classes))
    assert [names for _, names, _ in ordered] == list(class_names_of(table))


def test_scenes_have_the_names_and_the_order_of_the_official_list():
    official = (DATA / "class_names/sun397.txt").read_text().splitlines()
    path_labels = get_image_dataset("sun397").path_labels
    paths = [f"{name[0]}/{'/'.join(reversed(name.split()))}/sun_a.jpg" for name in official]
    keys = sorted(
        (path_labels.class_key(PurePosixPath(path)) for path in paths), key=path_labels.label_order
    )
    assert [path_labels.class_name(key) for key in keys] == [
        name.replace("_", " ") for name in official
    ]
