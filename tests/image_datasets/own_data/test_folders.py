"""Own photos in folders: what is read, in which part, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from image_datasets.own_data.photos import write_classes, write_photo
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    OwnData,
    RandomSplit,
    build_own_index,
    read_split,
    sample_few_shot,
)
from vlprompt_pipeline.image_datasets.own_data.location import require_dataset_name


def index(root: Path, **options):
    return build_own_index("zoo", root, OwnData(**options))


def parts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Part to class name to number of images."""
    return {
        part: dict(Counter(rows["class_name"])) for part, rows in table.groupby("part", sort=False)
    }


def refusal(root: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        index(root, **options)
    return str(caught.value)


# --- layouts


def test_class_folders_alone_are_split_by_the_seed(tmp_path):
    write_classes(tmp_path / "zoo", sea_gull=10, cat=4)
    found = index(tmp_path)
    assert found.card.class_names == ("cat", "sea gull")
    assert parts(found.table) == {
        "train": {"cat": 2, "sea gull": 5},
        "val": {"cat": 1, "sea gull": 2},
        "test": {"cat": 1, "sea gull": 3},
    }
    assert found.card.random_split == "own random split, seed 1"
    assert found.card.folder == tmp_path / "zoo"
    assert set(found.table["source"]) == {"zoo"}
    assert found.card.template == "a photo of a {}."
    assert sample_few_shot(found, shots=2, seed=1).split_sha256 == found.card.split_sha256


def test_the_same_photos_give_the_same_split_anywhere(tmp_path):
    write_classes(tmp_path / "here/zoo", dog=9, cat=9)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = index(tmp_path / "here"), index(tmp_path / "there")
    pd.testing.assert_frame_equal(here.table, there.table)
    assert here.card.split_sha256 == there.card.split_sha256
    other = index(tmp_path / "here", split=RandomSplit(seed=2))
    assert other.card.split_sha256 != here.card.split_sha256
    assert other.card.random_split == "own random split, seed 2"


def test_a_photo_more_leaves_other_classes_as_they_were(tmp_path):
    write_classes(tmp_path / "zoo", dog=9, cat=9)
    before = index(tmp_path).table.query("class_name == 'dog'")
    write_photo(tmp_path / "zoo/cat/more.png")
    after = index(tmp_path).table.query("class_name == 'dog'")
    pd.testing.assert_frame_equal(before.reset_index(drop=True), after.reset_index(drop=True))


def test_the_split_is_told_in_the_form_of_the_published_files(tmp_path):
    write_classes(tmp_path / "zoo", sea_gull=10, cat=4)
    found = index(tmp_path)
    file = tmp_path / "split.json"
    file.write_text(json.dumps(found.to_split()))
    again = read_split(file)
    assert again.sha256 == found.card.split_sha256
    columns = ["path", "label", "class_name", "part"]
    pd.testing.assert_frame_equal(again.table[columns], found.table[columns])


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
def test_given_parts_are_kept(tmp_path, val):
    for part, number in (("train", 5), (val, 2), ("test", 3)):
        write_classes(tmp_path / "zoo" / part, dog=number, cat=number)
    found = index(tmp_path)
    assert parts(found.table) == {
        "train": {"cat": 5, "dog": 5},
        "val": {"cat": 2, "dog": 2},
        "test": {"cat": 3, "dog": 3},
    }
    assert found.card.random_split == ""


def test_val_is_not_taken_from_train(tmp_path):
    for part in ("train", "test"):
        write_classes(tmp_path / "zoo" / part, dog=5, cat=5)
    found = index(tmp_path)
    assert parts(found.table) == {
        "train": {"cat": 5, "dog": 5},
        "test": {"cat": 5, "dog": 5},
    }
    assert found.card.random_split == ""


def test_without_test_it_is_drawn_from_train_and_val_is_kept(tmp_path):
    write_classes(tmp_path / "zoo/train", dog=8, cat=8)
    write_classes(tmp_path / "zoo/val", dog=3, cat=3)
    found = index(tmp_path)
    assert parts(found.table) == {  # 5 : 3 of 8
        "train": {"cat": 5, "dog": 5},
        "val": {"cat": 3, "dog": 3},
        "test": {"cat": 3, "dog": 3},
    }
    assert found.card.random_split == "own random split, seed 1"
    drawn = found.table.query("part == 'test'")["path"]
    assert drawn.str.startswith("train/").all()


def test_given_parts_are_split_anew_if_asked_for(tmp_path):
    for part in ("train", "val", "test"):
        write_classes(tmp_path / "zoo" / part, dog=10, cat=10)
    found = build_own_index("zoo", tmp_path, OwnData(), resplit=True)
    sizes = {part: sum(classes.values()) for part, classes in parts(found.table).items()}
    assert sizes == {"train": 30, "val": 12, "test": 18}
    assert found.card.random_split == "own random split, seed 1"


def test_a_class_may_be_called_train(tmp_path):
    write_classes(tmp_path / "zoo", train=3, car=3)
    assert index(tmp_path).card.class_names == ("car", "train")


def test_images_at_any_depth_and_through_links(tmp_path):
    write_classes(tmp_path / "zoo", cat=2)
    write_photo(tmp_path / "zoo/dog/2024/may/one.JPG")
    write_classes(tmp_path / "elsewhere", dog=2)
    (tmp_path / "zoo/dog/linked").symlink_to(tmp_path / "elsewhere/dog")
    (tmp_path / "zoo/dog/circle").symlink_to(tmp_path / "zoo/dog")
    paths = set(index(tmp_path).table.query("class_name == 'dog'")["path"])
    assert paths == {"dog/2024/may/one.JPG", "dog/linked/000.png", "dog/linked/001.png"}


@pytest.mark.parametrize("target", [".", "..", "cat", "dog/deeper/.."])
def test_a_link_back_into_the_dataset_relabels_nothing(tmp_path, target):
    write_classes(tmp_path / "zoo", cat=2, dog=2)
    (tmp_path / "zoo/dog/deeper").mkdir()
    (tmp_path / "zoo/dog/again").symlink_to(tmp_path / "zoo" / target)
    read = index(tmp_path)
    assert read.table.query("class_name == 'dog'")["path"].tolist() == [
        "dog/000.png",
        "dog/001.png",
    ]
    assert read.card.findings.ignored_files == {"links back into the dataset": 1}


@pytest.mark.parametrize(
    ("target", "second", "first"),
    [("dog", "chien", "dog"), ("dog/puppies", "chien", "dog"), ("../elsewhere", "fox", "chien")],
)
def test_a_class_folder_that_leads_to_another_one_is_refused(tmp_path, target, second, first):
    write_classes(tmp_path / "zoo", cat=2)
    write_classes(tmp_path / "zoo/dog", puppies=2)
    write_classes(tmp_path, elsewhere=2)
    (tmp_path / "zoo/fox").symlink_to("../elsewhere")
    (tmp_path / "zoo/chien").symlink_to(target)
    assert refusal(tmp_path) == (
        f"the class folder {second} of {tmp_path}/zoo leads to the images of {first}, which would "
        "count twice, as those of two classes or parts; remove the link"
    )


def test_a_class_folder_of_two_parts_is_refused(tmp_path):
    write_classes(tmp_path / "zoo/train", cat=2, dog=2)
    write_classes(tmp_path / "zoo/test", cat=2)
    (tmp_path / "zoo/test/dog").symlink_to("../train/dog")
    assert "class folder test/dog of" in refusal(tmp_path)


def test_class_folders_may_be_links_to_folders_elsewhere(tmp_path):
    write_classes(tmp_path / "elsewhere", cat=2, dog=2)
    write_classes(tmp_path / "zoo/.hidden", owl=2)
    for name in ("elsewhere/cat", "elsewhere/dog", "zoo/.hidden/owl"):
        (tmp_path / "zoo" / Path(name).name).symlink_to(tmp_path / name)
    assert index(tmp_path).card.class_names == ("cat", "dog", "owl")


# --- what is found beside the images


def test_findings(tmp_path):
    write_classes(tmp_path / "zoo", cat=3, Cat=3, dog=1, sea_gull=2)
    write_classes(tmp_path / "zoo", **{"sea gull": 2})
    (tmp_path / "zoo/bird").mkdir()
    write_photo(tmp_path / "zoo/loose.png")
    for name in ("cat/notes.txt", "cat/IMG_1.HEIC", "dog/Thumbs.db", "dog/README", "x.txt"):
        (tmp_path / "zoo" / name).write_text("")
    (tmp_path / "zoo/cat/.DS_Store").write_text("")
    findings = index(tmp_path).card.findings
    assert findings.ignored_files == {".db": 1, ".heic": 1, ".txt": 2, "no ending": 1}
    assert findings.loose_images == 1
    assert findings.empty_classes == ("bird",)
    assert findings.single_image_classes == findings.untested_classes == ("dog",)
    assert findings.alike_classes == (("Cat", "cat"), ("sea gull", "sea_gull"))
    assert findings.sentences() == [
        "files ignored because they are no images by their ending: .db 1, .heic 1, .txt 2, "
        "no ending 1",
        "images ignored because they lie in no class folder: 1",
        "class folders without an image: bird",
        "classes with one image only: dog",
        "classes that are called alike: Cat/cat, sea gull/sea_gull",
    ]


# --- what is refused


def test_parts_beside_classes_could_be_either(tmp_path):
    write_classes(tmp_path / "zoo", train=1, test=1, unlabelled=1)
    assert refusal(tmp_path) == (
        f"{tmp_path}/zoo has test and train beside other folders (unlabelled), so it could be "
        "parts or classes; move the others elsewhere, or rename them all to classes"
    )


def test_one_part_twice(tmp_path):
    for part in ("train", "val", "valid"):
        write_classes(tmp_path / "zoo" / part, cat=1)
    assert (
        refusal(tmp_path) == f"{tmp_path}/zoo has both val/ and valid/ for the part val; keep one"
    )


def test_no_train(tmp_path):
    write_classes(tmp_path / "zoo/test", cat=1, dog=1)
    assert refusal(tmp_path).startswith(f"{tmp_path}/zoo has test but no train/; put the training")


def test_photos_of_a_form_that_is_not_read_alone_are_named(tmp_path):
    (tmp_path / "zoo/cat").mkdir(parents=True)
    (tmp_path / "zoo/cat/IMG_1.HEIC").touch()
    assert refusal(tmp_path).startswith(
        f"{tmp_path}/zoo has no image in a class folder (files ignored because they are no images "
        "by their ending: .heic 1); expected are train/<class>/"
    )


def test_no_class_folder(tmp_path):
    write_photo(tmp_path / "zoo/one.png")
    assert refusal(tmp_path).startswith(
        f"{tmp_path}/zoo has no image in a class folder; expected are train/<class>/ and "
    )


def test_class_folders_one_level_too_deep(tmp_path):
    write_classes(tmp_path / "zoo/photos", cat=2, dog=2)
    assert refusal(tmp_path) == (
        f"own data in folder {tmp_path}/zoo has one class only, 'photos'; at least two are needed, "
        "each in a folder of its own (if that one holds the class folders, move them up)"
    )


@pytest.mark.parametrize("broken", [["cat/0.jpg"], ["cat/0.jpg", "dog/0.jpg"]])
def test_classes_whose_photos_are_all_broken(tmp_path, broken):
    write_photo(tmp_path / "zoo/cat/0.jpg")
    write_photo(tmp_path / "zoo/dog/0.jpg")
    left_out = [(path, "truncated") for path in broken]
    with pytest.raises(DataError) as caught:
        build_own_index("zoo", tmp_path, OwnData(), left_out=left_out)
    assert str(caught.value) == (
        f"own data in folder {tmp_path}/zoo has fewer than two classes with photos that can be "
        f"used: {len(broken)} are left out, for example cat/0.jpg: truncated; replace them"
    )


@pytest.mark.parametrize("name", [b"a\nb.png", b"a\xff.png", b"a\\b.png"])
def test_names_that_no_table_can_hold(tmp_path, name):
    write_classes(tmp_path / "zoo", cat=2, dog=2)
    os.rename(tmp_path / "zoo/cat/000.png", os.fsencode(tmp_path / "zoo/cat") + b"/" + name)
    message = refusal(tmp_path)
    assert (
        "zoo has names with control characters, backslashes or bytes that are no UTF-8 (" in message
    )
    assert "('cat/a" in message
    assert message.endswith("png'); rename them")
    assert message.isprintable()


def test_a_name_that_is_neither_known_nor_there(tmp_path):
    with pytest.raises(ConfigError) as caught:
        require_dataset_name("caltech", tmp_path)
    assert str(caught.value).startswith("dataset 'caltech' is unknown; did you mean 'caltech101'? ")
    assert str(caught.value).endswith(
        f", and there is no folder or table of that name in {tmp_path}"
    )
    with pytest.raises(ConfigError, match=f"in {tmp_path}/gone, which is not there itself$"):
        require_dataset_name("caltech", tmp_path / "gone")


def test_a_known_name_need_not_be_there(tmp_path):
    for name in IMAGE_DATASETS:
        require_dataset_name(name, tmp_path)


def test_the_folder_of_a_benchmark_is_not_own_data(tmp_path):
    (tmp_path / "caltech-101").mkdir()
    with pytest.raises(ConfigError, match="is the folder of the dataset caltech101: ask for it by"):
        require_dataset_name("caltech-101", tmp_path)


def test_two_tables(tmp_path):
    for suffix in ("csv", "parquet"):
        (tmp_path / f"zoo.{suffix}").touch()
    with pytest.raises(ConfigError, match=r"has two tables in .*, zoo\.csv and zoo\.parquet; keep"):
        require_dataset_name("zoo", tmp_path)


def test_classes_whose_accents_are_encoded_otherwise_are_called_alike(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    write_classes(tmp_path / "zoo", dog=2)
    write_classes(tmp_path / "zoo", **{composed: 2})
    write_classes(tmp_path / "zoo", **{apart: 2})
    assert index(tmp_path).card.findings.alike_classes == ((apart, composed),)
