"""Everything that a person should know of own photos is in one check."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from image_datasets.own_data.photos import write_classes
from vlprompt_pipeline.datasets import RecordDataset
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import (
    ImageIndex,
    OwnData,
    build_own_index,
    check_images,
    fingerprints,
    inspect_images,
)


def index(root: Path) -> ImageIndex:
    return build_own_index("zoo", root, OwnData())


def test_a_photo_that_cannot_be_read_at_all(tmp_path):
    """Open, but every read fails, as on a failing disk."""
    write_classes(tmp_path / "zoo", cat=4, dog=4)
    (tmp_path / "zoo/cat/000.png").unlink()
    (tmp_path / "zoo/cat/000.png").symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"cat/000\.png: Input/output error; make the images reada"):
        index(tmp_path)


def test_what_was_found_is_warned_of_and_in_card_and_check(tmp_path, caplog):
    write_classes(tmp_path / "zoo", cat=4, dog=4)
    (tmp_path / "zoo/bird").mkdir()
    (tmp_path / "zoo/cat/IMG.HEIC").touch()
    found = index(tmp_path)
    (train, *_), (*_, test) = (  # of two classes, since copies within one are dealt out as one
        found.table.query("part == @part")["path"] for part in ("train", "test")
    )
    shutil.copy(tmp_path / "zoo" / train, tmp_path / "zoo" / test)
    found = index(tmp_path)
    with caplog.at_level(logging.WARNING):
        check = check_images(found)
    assert check.duplicates == ((("train", train), ("test", test)),)
    assert (
        "zoo: files ignored because they are no images by their ending: .heic 1; class folders "
        "without an image: bird." in caplog.text
    )
    assert f"the first is {train} in train and {test} in test." in caplog.text
    stored = json.loads(json.dumps(asdict(check)))
    file = tmp_path / "card.json"
    record = "vlprompt_pipeline.image_datasets.DatasetCard"
    card_file = RecordDataset(filepath=str(file), record=record)
    card_file.save(found.card)
    card = json.loads(file.read_text())
    assert stored["random_split"] == card["random_split"] == "own random split, seed 1"
    assert stored["findings"] == card["findings"]
    assert card["findings"]["empty_classes"] == ["bird"]
    assert card_file.load() == found.card


def test_classes_of_the_same_name_are_told_apart(tmp_path):
    write_classes(tmp_path / "zoo", cat=4, tabby=1)
    (tmp_path / "names.csv").write_text("folder,name\ntabby,a_cat\ncat,a cat\n")
    findings = build_own_index("zoo", tmp_path, OwnData(class_names="names.csv")).card.findings
    assert findings.untested_classes == ("a cat",)
    assert findings.alike_classes == (("cat", "tabby"),)


def test_photos_are_not_read_again_to_leave_one_of_them_out(tmp_path, monkeypatch):
    write_classes(tmp_path / "zoo", cat=4, dog=4)
    known = index(tmp_path).table.set_index("path")["fingerprint"].to_dict()
    monkeypatch.delattr(fingerprints, "sha256_file")
    left_out = [("cat/000.png", "an empty file")]
    fewer = build_own_index("zoo", tmp_path, OwnData(), left_out=left_out, fingerprints=known)
    assert fewer.table["fingerprint"].equals(fewer.table["path"].map(known))
    assert set(known) - set(fewer.table["path"]) == {"cat/000.png"}


def test_a_clean_folder_warns_of_nothing(tmp_path, caplog):
    write_classes(tmp_path / "zoo", cat=4, dog=4)
    with caplog.at_level(logging.WARNING):
        check_images(index(tmp_path))
    assert caplog.text == ""


def test_unreadable_images_and_untested_classes_are_told_at_once(tmp_path):
    write_classes(tmp_path / "zoo", cat=4, dog=1, emu=1)
    (tmp_path / "zoo/cat/001.png").write_bytes(b"")
    (tmp_path / "zoo/cat/002.png").write_text("none")
    with pytest.raises(DataError) as caught:
        check_images(index(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"2 of the 6 images of zoo under {tmp_path}/zoo cannot be read: ")
    assert "cat/001.png (an empty file)" in message
    assert "cat/002.png (not an image of a known format)" in message
    assert "with own_data.broken=leave_out, and run again; 2 of the 3 classes of zoo" in message
    assert message.endswith(
        "have no test image (dog, emu); add images, at least two different ones a class, or move "
        "these classes elsewhere"
    )


@pytest.mark.parametrize("folder", ["car_side", "Leopards"])
def test_real_photos(shared: Path, tmp_path, folder):
    """Two classes of Caltech-101 as own photos."""
    photos = shared / "data/caltech-101/101_ObjectCategories"
    if not photos.is_dir():
        pytest.skip("the photos of Caltech-101 are not there")
    for name in (folder, "dollar_bill"):
        (tmp_path / "zoo").mkdir(exist_ok=True)
        (tmp_path / "zoo" / name).symlink_to(photos / name)
    found = index(tmp_path)
    check = check_images(found)
    assert sum(check.found.values()) == sum(
        len(list((photos / name).glob("*.jpg"))) for name in (folder, "dollar_bill")
    )
    assert found.card.findings.sentences() == []


def test_pictures_that_no_later_stage_could_read_are_found(tmp_path):
    write_classes(tmp_path / "zoo", cat=4, dog=4)
    cat = tmp_path / "zoo/cat"
    Image.new("F", (8, 8), 0.5).save(cat / "float.tif")
    Image.new("I", (8, 8), 1 << 20).save(cat / "int32.tif")
    Image.new("I", (8, 8), 1 << 15).save(cat / "int16.tif")
    Image.new("L", (8, 808)).save(cat / "strip.png")
    assert dict(inspect_images(index(tmp_path)).unreadable) == {
        "cat/float.tif": "its pixels are fractions of unknown range; save it with 8 or 16 bits",
        "cat/int32.tif": "its pixels have more than 16 bits; save it with 8 or 16",
        "cat/strip.png": "8 x 808 pixels are a strip of more than 100:1; cut it",
    }
