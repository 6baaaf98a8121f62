from __future__ import annotations

import shutil
from collections import Counter

import pytest

from image_datasets.miniatures import DATA, write_miniature
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import build_index
from vlprompt_pipeline.image_datasets.class_folders import read_class_names
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    GOLDFISH,
    IMAGENET_CLASSES,
    MISSILE_TOO,
    WALLET,
)

OFFICIAL = DATA / "class_names" / "imagenet.txt"


@pytest.fixture
def imagenet(tmp_path):
    """Four classes, two of them called missile."""
    return write_miniature(tmp_path, "imagenet")


def test_images_stand_in_the_order_of_their_names(imagenet, tmp_path):
    table = build_index(imagenet, tmp_path).table
    train = [f"train/{key}/{key}_{n}.JPEG" for key in IMAGENET_CLASSES for n in range(1, 20)]
    listed = table.loc[table["part"] == "train", "path"].tolist()
    assert listed == sorted(set(train) & set(listed))  # so _10 stands before _2
    assert table["part"].tolist() == ["train"] * 64 + ["test"] * 12
    assert table["path"].iloc[-1].startswith(f"val/{WALLET}/")


def test_classes_of_one_name_stay_apart(imagenet, tmp_path):
    index = build_index(imagenet, tmp_path)
    assert index.card.class_names == ("goldfish", "missile", "missile", "wallet")
    of_second = index.table.loc[index.table["label"] == 2, "path"]
    assert all(path.split("/")[1] == MISSILE_TOO for path in of_second)


def test_official_class_names():
    names = read_class_names(OFFICIAL)
    counts = Counter(names.values())
    assert len(names) == 1000
    assert list(names) == sorted(names)
    assert {name for name, number in counts.items() if number > 1} == {"missile", "sunglasses"}


def test_a_mark_of_the_encoding_is_no_part_of_a_name(tmp_path):
    (tmp_path / "classnames.txt").write_text(f"{GOLDFISH} goldfish\n", encoding="utf-8-sig")
    assert read_class_names(tmp_path / "classnames.txt") == {GOLDFISH: "goldfish"}


def test_the_number_of_a_folder_is_its_label(tmp_path):
    """With eleven classes, 10 comes before 2 in the order of names."""
    dataset = write_miniature(tmp_path, "imagenet_v2")
    names = OFFICIAL.read_text().splitlines()[:11]
    (tmp_path / "imagenetv2" / "classnames.txt").write_text("\n".join(names))
    images = dataset.image_folder(tmp_path)
    for place in range(4, 11):
        shutil.copytree(images / "0", images / str(place))
    split = dataset.split.read(tmp_path / "imagenetv2", images)
    assert [int(path.split("/")[0]) for path in split.table["path"]] == list(split.table["label"])
    assert set(split.table.query("label == 10")["class_name"]) == {names[10].split(" ", 1)[1]}


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_files_beside_the_class_folders_are_ignored(name, tmp_path):
    dataset = write_miniature(tmp_path, name)
    images = dataset.image_folder(tmp_path)
    before = build_index(dataset, tmp_path).card.split_sha256
    (images / "README.txt").write_text("about")
    (images / ".cache").mkdir()
    (next(images.glob("n*")) / ".DS_Store").write_bytes(b"")
    assert build_index(dataset, tmp_path).card.split_sha256 == before


def test_a_subset_numbers_its_own_classes(tmp_path):
    dataset = write_miniature(tmp_path, "imagenet_a")
    table = build_index(dataset, tmp_path).table
    keys = table["path"].str.split("/").str[0]
    assert dict(zip(keys, table["label"], strict=True)) == {GOLDFISH: 0, MISSILE_TOO: 1, WALLET: 2}


@pytest.mark.parametrize("name", ["imagenet", "imagenet_sketch"])
def test_a_class_without_a_folder(name, tmp_path):
    """Counting the folders that are there would shift the labels of all classes behind it."""
    dataset = write_miniature(tmp_path, name)
    shutil.rmtree(next(dataset.image_folder(tmp_path).rglob(MISSILE_TOO)))
    with pytest.raises(DataError, match=rf"no folder for 1 of the 4 classes .*\({MISSILE_TOO}\)"):
        build_index(dataset, tmp_path)


def test_validation_images_that_were_not_sorted_into_classes(imagenet, tmp_path):
    val = imagenet.image_folder(tmp_path) / "val"
    for file in list(val.rglob("*.JPEG")):
        file.rename(val / file.name)
    for key in IMAGENET_CLASSES:
        (val / key).rmdir()
    with pytest.raises(
        DataError, match=r"images/val holds 12 images outside of class folders .* sort them with"
    ):
        build_index(imagenet, tmp_path)


def test_a_part_is_missing(imagenet, tmp_path):
    shutil.rmtree(imagenet.image_folder(tmp_path) / "val")
    with pytest.raises(DataError, match=r"cannot list .*images/val: No such file"):
        build_index(imagenet, tmp_path)


def test_a_folder_that_is_no_class(imagenet, tmp_path):
    (imagenet.image_folder(tmp_path) / "train" / "n99999999").mkdir()
    with pytest.raises(DataError, match=r"train has folders that are no class .*\(n99999999\)"):
        build_index(imagenet, tmp_path)


def test_an_image_too_few(imagenet, tmp_path):
    next(imagenet.image_folder(tmp_path).rglob("*.JPEG")).unlink()
    with pytest.raises(
        DataError, match=r"the split by class folders of .* is not the official one of imagenet: it"
    ):
        build_index(imagenet, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n01443537 goldfish\nn01443537 carp\n", "line 2 of .* names the class n01443537 again"),
        ("n01443537\n", "line 1 of .* is 'n01443537'; a line is a WordNet id and a class name"),
    ],
)
def test_broken_class_names(tmp_path, text, message):
    (tmp_path / "classnames.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_class_names(tmp_path / "classnames.txt")


def test_class_names_that_are_no_text(tmp_path):
    (tmp_path / "classnames.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"classnames\.txt is not text"):
        read_class_names(tmp_path / "classnames.txt")


def test_a_folder_that_leads_to_another_class_is_refused(imagenet, tmp_path):
    folder = imagenet.image_folder(tmp_path) / "val"
    shutil.rmtree(folder / WALLET)
    (folder / WALLET).symlink_to(GOLDFISH)
    with pytest.raises(DataError, match=f"folder val/{WALLET} of .* the images of val/{GOLDFISH},"):
        build_index(imagenet, tmp_path)
