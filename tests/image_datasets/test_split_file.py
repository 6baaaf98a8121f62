from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from image_datasets.miniatures import write_split
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import PartCounts, get_image_dataset, read_split, verify_split
from vlprompt_pipeline.image_datasets.schema import class_names_of

GOOD = {
    "train": [["a/1.jpg", 0, "sea_horse"], ["b/1.jpg", 1, "ibis"]],
    "val": [["a/2.jpg", 0, "sea_horse"]],
    "test": [["b/2.jpg", 1, "ibis"]],
}


def changed(part: str, rows: list[list[object]]) -> dict[str, object]:
    return {**GOOD, part: rows}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "split.json"


def test_rows_keep_the_order_of_the_file(file):
    # Keys of the object in another order than the parts: train must still come first.
    write_split(file, {"test": GOOD["test"], "train": GOOD["train"], "val": GOOD["val"]})
    table = read_split(file).table
    assert list(table["path"]) == ["a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg"]
    assert list(table["part"]) == ["train", "train", "val", "test"]
    assert list(table["label"]) == [0, 1, 0, 1]
    assert table["label"].dtype == "int64"


def test_underscores_of_class_names_become_spaces(file):
    write_split(file, GOOD)
    assert class_names_of(read_split(file).table) == ("sea horse", "ibis")


def test_official_caltech101(caltech101_split):
    verify_split(caltech101_split, get_image_dataset("caltech101"))
    names = class_names_of(caltech101_split.table)
    assert caltech101_split.counts == PartCounts(4128, 1649, 2465)
    # ASCII order of the folders: capitals first, then renamed airplanes after accordion.
    assert names[:5] == ("face", "leopard", "motorbike", "accordion", "airplane")
    assert len(names) == 100
    assert not any("_" in name for name in names)


def test_hash_is_of_the_content(file):
    write_split(file, GOOD)
    first = read_split(file).sha256
    file.write_text(json.dumps(GOOD).replace(", ", ",\r\n"), newline="")
    assert read_split(file).sha256 == first
    write_split(file, changed("train", GOOD["train"][::-1]))
    assert read_split(file).sha256 != first


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../other/1.jpg", "a/../../1.jpg", "C:/1.jpg", "a\\1.jpg", "a//1.jpg", "", "."],
)
def test_paths_that_leave_the_folder_are_refused(file, path):
    write_split(file, changed("val", [[path, 0, "sea_horse"]]))
    with pytest.raises(
        DataError, match=r"val row 1 of .*split\.json has the path .* without '\.\.'"
    ):
        read_split(file)


@pytest.mark.parametrize(
    "row", [["a/2.jpg", "0", "x"], ["a/2.jpg", True, "x"], ["a/2.jpg", 0], "a", [1, 0, "x"], None]
)
def test_malformed_row(file, row):
    write_split(file, changed("val", [row]))
    with pytest.raises(DataError, match=r"val row 1 of .* a row is \[path, label number, class"):
        read_split(file)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (changed("test", [["a/1.jpg", 0, "sea_horse"]]), r"a/1\.jpg more than once \(train and te"),
        (changed("val", [["a/2.jpg", 0, "sea_horse"]] * 2), r"a/2\.jpg more than once \(val and v"),
        (
            changed("val", [["a/2.jpg", 4, "emu"]]),
            "3 labels from 0 to 4 and no image of label 2;",
        ),
        (changed("val", [["a/2.jpg", -1, "emu"]]), "labels from -1 to 1 and no image of label 2"),
        (changed("val", [["a/2.jpg", 0, "emu"]]), "label 0 both 'sea horse' and 'emu'"),
        (changed("val", [["a/2.jpg", 2, " "]]), "label 2 an empty class name"),
        ({"train": [], "val": [], "test": []}, "lists no image"),
        ({"train": [], "test": []}, "not an object with the lists train, val and test"),
        ([], "not an object with the lists train, val and test"),
    ],
)
def test_wrong_content(file, split, message):
    write_split(file, split)
    with pytest.raises(DataError, match=message):
        read_split(file)


def test_classes_may_share_a_name(file):
    """ImageNet has two classes called missile."""
    write_split(file, changed("val", [["a/2.jpg", 2, "ibis"]]))
    assert class_names_of(read_split(file).table) == ("sea horse", "ibis", "ibis")


def test_not_json(file):
    file.write_text('{"train": [')
    with pytest.raises(DataError, match=r"split\.json is not JSON .*download the official file"):
        read_split(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"split\.json is not JSON"):
        read_split(file)


def test_absent_file(file):
    with pytest.raises(DataError, match=r"cannot read split file .*split\.json: No such file"):
        read_split(file)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"classes": 3}, "it has 2 classes, expected is 3 classes"),
        ({"counts": PartCounts(2, 1, 2)}, "train 2, val 1, test 1, expected is train 2, val 1, te"),
        ({"split_sha256": "0" * 64}, "it has the content hash [0-9a-f]{16}, expected is 0{16}"),
    ],
)
def test_not_the_official_split(file, expected, message):
    write_split(file, GOOD)
    right = {"classes": 2, "counts": PartCounts(2, 1, 1), "split_sha256": None}
    verify_split(read_split(file), replace(get_image_dataset("caltech101"), **right))
    wrong = replace(get_image_dataset("caltech101"), **{**right, **expected})
    with pytest.raises(DataError, match=message):
        verify_split(read_split(file), wrong)
