"""A random split of a published dataset: by name only, with the official classes, and marked."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.miniatures import FORMS, annotation_file, write_miniature
from vlprompt_pipeline.benchmarks import BENCHMARKS, RandomSplit, build_index, get_benchmark
from vlprompt_pipeline.benchmarks.random_benchmarks import FOLDER_NAMES
from vlprompt_pipeline.errors import ConfigError, DataError


@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_without_the_split_file_it_has_the_official_classes_in_their_order(name, tmp_path):
    benchmark = write_miniature(tmp_path, name)
    official = build_index(benchmark, tmp_path)
    annotation_file(benchmark, tmp_path).unlink()
    found = build_index(benchmark, tmp_path, RandomSplit(seed=3))
    assert found.random_split == "own random split, seed 3"
    assert found.template == official.template
    assert sorted(found.class_names) == sorted(official.class_names)
    assert found.split_sha256 != official.split_sha256
    columns = ["path", "class_name"]
    rows = [set(i.table[columns].itertuples(index=False, name=None)) for i in (found, official)]
    assert rows[0] == rows[1]


def test_each_class_is_split_in_the_shares(tmp_path):
    benchmark = write_miniature(tmp_path, "dtd")
    found = build_index(benchmark, tmp_path, RandomSplit(train=0.5, val=0.0, test=0.5))
    sizes = Counter(zip(found.table["label"], found.table["part"], strict=True))
    assert {part for _, part in sizes} == {"train", "test"}
    assert all(abs(sizes[label, "train"] - sizes[label, "test"]) <= 1 for label in (0, 1))


def test_caltech_has_its_own_names_and_leaves_two_folders_out(tmp_path):
    benchmark = write_miniature(tmp_path)
    images = benchmark.image_folder(tmp_path)
    for ignored in ("BACKGROUND_Google", "Faces_easy"):
        (images / ignored).mkdir()
    names = build_index(benchmark, tmp_path, RandomSplit()).class_names
    assert set(names) == {"face", "leopard", "airplane", "car side"}


@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - set(FOLDER_NAMES)))
def test_datasets_whose_labels_are_in_annotations_cannot_be(name, tmp_path):
    with pytest.raises(ConfigError, match=f"^split is 'random', but {name} has no folder for each"):
        build_index(name, tmp_path, RandomSplit())


def test_all_others_are_published():
    assert set(FOLDER_NAMES) <= set(FORMS)


def test_images_that_are_not_there(tmp_path):
    with pytest.raises(
        DataError, match=r"dataset dtd is not at .*/dtd/images; get its images from"
    ):
        build_index("dtd", tmp_path, RandomSplit())


def test_classes_that_are_absent(tmp_path):
    write_miniature(tmp_path, "dtd")
    with pytest.raises(
        DataError, match="has 2 class folders, dtd has 47 classes; unpack the archiv"
    ):
        build_index("dtd", tmp_path, RandomSplit())


def test_real_photos(shared):
    """All of Caltech-101, whose split file is there and is not looked at."""
    if not (shared / "data/caltech-101").is_dir():
        pytest.skip("the photos of Caltech-101 are not there")
    found = build_index(get_benchmark("caltech101"), shared / "data", RandomSplit())
    official = build_index("caltech101", shared / "data")
    assert found.class_names == official.class_names
    assert len(found.table) == len(official.table) == 8242
    assert set(found.table["path"]) == set(official.table["path"])
