from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

from image_datasets.miniatures import read_split_rows, write_miniature, write_split
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import (
    COLUMNS,
    ImageIndex,
    Split,
    build_index,
    get_image_dataset,
)
from vlprompt_pipeline.image_datasets.fingerprints import MAX_HASHED, fingerprint_images
from vlprompt_pipeline.image_datasets.presence import require_present
from vlprompt_pipeline.image_datasets.rendered import RENDERED


def test_rows_are_those_of_the_split_in_its_order(miniature):
    index = build_index(miniature.dataset, miniature.root)
    rows = read_split_rows(miniature.dataset, miniature.root)
    expected = [
        (path, label, part) for part in ("train", "val", "test") for path, label, _ in rows[part]
    ]
    found = index.table[["path", "label", "part"]]
    assert list(found.itertuples(index=False, name=None)) == expected
    assert tuple(index.table.columns) == COLUMNS
    assert set(index.table["source"]) == {"caltech101"}
    assert index.card.class_names == ("face", "leopard", "airplane", "car side")
    assert index.card.template == "a photo of a {}."
    assert (index.card.random_split, index.card.findings) == ("", None)


def test_folder_and_path_lead_to_the_image(miniature, monkeypatch):
    monkeypatch.chdir(miniature.root)
    index = build_index(miniature.dataset, ".")
    assert index.card.folder == miniature.images.resolve()
    row = index.table.iloc[0]
    content = (index.card.folder / row["path"]).read_bytes()
    assert row["fingerprint"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_large_sets_are_known_by_stat_and_path(miniature):
    path = build_index(miniature.dataset, miniature.root).table["path"].iloc[0]
    stat = (miniature.images / path).stat()
    found = fingerprint_images([path] * (MAX_HASHED + 1), miniature.images)
    assert set(found) == {
        f"stat:{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}:{path}"
    }


def test_table_and_card_make_the_index_again(miniature, tmp_path):
    index = build_index(miniature.dataset, miniature.root)
    index.table.to_parquet(tmp_path / "index.parquet")
    again = ImageIndex.join(pd.read_parquet(tmp_path / "index.parquet"), index.card)
    pd.testing.assert_frame_equal(again.table, index.table)
    with pytest.raises(DataError, match="index and card of zoo do not belong together"):
        ImageIndex.join(index.table, replace(index.card, name="zoo"))


def test_dataset_folder_missing(tmp_path):
    with pytest.raises(DataError) as caught:
        build_index("caltech101", tmp_path)
    message = str(caught.value)
    assert f"dataset caltech101 is not at {tmp_path}/caltech-101" in message
    assert "101_ObjectCategories/ with the images" in message
    assert "split_zhou_Caltech101.json" in message
    assert "set the parameter dataset_root to the folder that holds caltech-101/" in message


def test_image_folder_missing(miniature):
    shutil.rmtree(miniature.images)
    with pytest.raises(DataError, match="caltech-101 has no folder 101_ObjectCategories; expected"):
        build_index(miniature.dataset, miniature.root)


def test_split_file_missing_is_not_replaced(miniature):
    miniature.split.unlink()
    with pytest.raises(
        DataError, match=r"has no split_zhou_Caltech101\.json; .*nothing is made up"
    ):
        build_index(miniature.dataset, miniature.root)
    assert not miniature.split.exists()


def test_dataset_root_is_the_dataset_itself(miniature):
    with pytest.raises(DataError, match="looks like the folder of caltech101 itself; set it to"):
        build_index(miniature.dataset, miniature.root / "caltech-101")


def test_dataset_root_is_another_dataset_with_a_file_of_that_name(tmp_path):
    """Five datasets have a classnames.txt."""
    write_miniature(tmp_path, "imagenet")
    with pytest.raises(DataError, match="dataset imagenet_a is not at .*/imagenet/imagenet-advers"):
        build_index("imagenet_a", tmp_path / "imagenet")


def test_absent_images_are_told_all_at_once_by_class(miniature):
    shutil.rmtree(miniature.images / "airplanes")
    for name in ("image_0003.jpg", "image_0007.jpg"):
        (miniature.images / "car_side" / name).unlink()
    with pytest.raises(DataError) as caught:
        build_index(miniature.dataset, miniature.root)
    message = str(caught.value)
    assert "16 of the 56 images in the split of caltech101 are not under" in message
    assert "airplane 14 of 14 (no folder airplanes); car side 2 of 14; the first are" in message
    assert message.count("airplanes/image_") == 5
    assert "restore them from https://data.caltech.edu" in message


def test_absent_images_of_very_many_classes(tmp_path):
    """An archive that was not unpacked: the message stays readable."""
    rows = [(f"{label}/1.jpg", label, f"class {label}") for label in range(40)]
    table = Split.from_rows("split", {"test": rows}).table
    with pytest.raises(DataError) as caught:
        require_present(table, tmp_path, "the split of zoo", "unpack it")
    message = str(caught.value)
    assert message.startswith("40 of the 40 images in the split of zoo are not under")
    assert "class 29 1 of 1 (no folder 29); and 10 other classes; the first are 0/1.jpg" in message
    assert "class 30" not in message


def test_a_folder_is_no_image(miniature):
    image = miniature.images / "Faces" / "image_0001.jpg"
    image.unlink()
    image.mkdir()
    with pytest.raises(DataError, match=r"1 of the 56 images .* face 1 of 14; the first are F"):
        build_index(miniature.dataset, miniature.root)


def test_split_of_another_size(miniature):
    rows = read_split_rows(miniature.dataset, miniature.root)
    write_split(miniature.split, {**rows, "test": rows["test"][1:]})
    with pytest.raises(DataError, match="not the official one of caltech101: it has train 24, val"):
        build_index(miniature.dataset, miniature.root)


def test_altered_official_split_of_the_right_size(tmp_path):
    dataset = write_miniature(tmp_path)
    official = get_image_dataset("caltech101").split_sha256
    with pytest.raises(DataError, match=r"content hash .* results would not be comparable"):
        build_index(replace(dataset, split_sha256=official), tmp_path)


def test_rendered_dataset_is_made_on_first_use(tmp_path):
    name = min(RENDERED, key=lambda each: len(RENDERED[each].classes))
    index = build_index(name, tmp_path)
    assert index.card.name == name
    assert len(index.card.class_names) == len(RENDERED[name].classes)
    assert index.table["fingerprint"].str.startswith("sha256:").all()
    with Image.open(index.card.folder / index.table["path"].iloc[0]) as image:
        image.load()
    again = build_index(name, tmp_path)
    pd.testing.assert_frame_equal(again.table, index.table)
    assert again.card.split_sha256 == index.card.split_sha256


def test_real_photos(shared):
    root = shared / "data"
    if not (root / "caltech-101").is_dir():
        pytest.skip("the photos of Caltech-101 are not there")
    index = build_index("caltech101", root)
    assert Counter(index.table["part"]) == {"train": 4128, "val": 1649, "test": 2465}
    assert len(index.card.class_names) == 100
