from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import (
    build_index,
    check_images,
    decoded_images,
    image_checks,
    inspect_images,
)


def test_all_is_well(miniature):
    index = build_index(miniature.dataset, miniature.root)
    check = check_images(index)
    sizes = [file.stat().st_size for file in miniature.images.rglob("*.jpg")]
    assert check.expected == check.found == {"train": 24, "val": 20, "test": 12}
    assert (check.dataset, check.classes) == ("caltech101", 4)
    assert check.split_sha256 == index.card.split_sha256
    assert check.missing == check.unreadable == check.duplicates == ()
    assert check.bytes_on_disk == sum(sizes)
    assert json.loads(json.dumps(asdict(check)))["found"] == check.found


def test_second_run_decodes_nothing(miniature, tmp_path):
    index = build_index(miniature.dataset, miniature.root)
    cache = tmp_path / "checked.parquet"
    first = check_images(index, cache, workers=2)
    written = cache.stat().st_mtime_ns
    for file in miniature.images.rglob("*.jpg"):
        file.write_bytes(b"")
    assert check_images(index, cache, workers=2) == first
    assert cache.stat().st_mtime_ns == written


def test_a_killed_check_goes_on(miniature, tmp_path, monkeypatch):
    """What was decoded before the last whole block is not decoded again."""
    index, cache = build_index(miniature.dataset, miniature.root), tmp_path / "checked.parquet"
    decode, calls = decoded_images.decode_image, []

    def killed_at_the_30th(*image):
        calls.append(image)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return decode(*image)

    monkeypatch.setattr(image_checks, "BLOCK", 10)
    monkeypatch.setattr(decoded_images, "decode_image", killed_at_the_30th)
    with pytest.raises(KeyboardInterrupt):
        check_images(index, cache, workers=1)
    done = len(calls)
    assert check_images(index, cache, workers=1).found == {"train": 24, "val": 20, "test": 12}
    assert len(calls) - done == 56 - 20


def spoil(miniature) -> None:
    """Four ways a file is no picture."""
    faces = miniature.images / "Faces"
    whole = (faces / "image_0001.jpg").read_bytes()
    (faces / "image_0001.jpg").write_bytes(whole[:-200])
    (faces / "image_0002.jpg").write_bytes(b"<html>404 Not Found</html>")
    (faces / "image_0003.jpg").write_bytes(b"")
    png = miniature.root / "half.png"
    Image.effect_noise((64, 64), 50).save(png)
    (faces / "image_0004.jpg").write_bytes(png.read_bytes()[:1500])


def test_broken_images_are_told_all_at_once(miniature, tmp_path):
    spoil(miniature)
    index = build_index(miniature.dataset, miniature.root)
    with pytest.raises(DataError) as caught:
        check_images(index, tmp_path / "checked.parquet")
    message = str(caught.value)
    assert "4 of the 56 images of caltech101" in message
    assert "Faces/image_0001.jpg (image file is truncated" in message
    assert "Faces/image_0002.jpg (not an image of a known format)" in message
    assert "Faces/image_0003.jpg (an empty file)" in message
    assert "Faces/image_0004.jpg (image file is truncated" in message
    assert "replace them by the files of the original archive" in message


def test_only_good_images_are_remembered(miniature, tmp_path):
    before = miniature.root / "before"
    shutil.copytree(miniature.images, before)
    spoil(miniature)
    cache = tmp_path / "checked.parquet"
    check = inspect_images(build_index(miniature.dataset, miniature.root), cache)
    assert len(check.unreadable) == 4
    assert sum(check.found.values()) == 52
    shutil.copytree(before, miniature.images, dirs_exist_ok=True)
    check = check_images(build_index(miniature.dataset, miniature.root), cache)
    assert sum(check.found.values()) == 56


def test_png_garbage_inside_the_data(miniature):
    """A PNG with the right head and nonsense behind it."""
    target = miniature.images / "Faces" / "image_0005.jpg"
    Image.effect_noise((64, 64), 50).save(target, format="PNG")
    content = bytearray(target.read_bytes())
    content[60:400] = bytes(range(170)) * 2
    target.write_bytes(content)
    check = inspect_images(build_index(miniature.dataset, miniature.root))
    assert [path for path, _ in check.unreadable] == ["Faces/image_0005.jpg"]


def test_images_gone_since_the_index_was_made(miniature):
    index = build_index(miniature.dataset, miniature.root)
    (miniature.images / "Leopards" / "image_0002.jpg").unlink()
    assert inspect_images(index).missing == ("Leopards/image_0002.jpg",)
    with pytest.raises(
        DataError, match=r"Leopards/image_0002\.jpg \(gone since the index was made"
    ):
        check_images(index)


def test_the_same_image_in_two_parts_is_a_warning(miniature, caplog):
    index = build_index(miniature.dataset, miniature.root)
    paths = index.table.groupby("part")["path"].first()
    shutil.copy(miniature.images / paths["train"], miniature.images / paths["test"])
    twins_in_train = index.table.query("part == 'train'")["path"].iloc[-2:]
    shutil.copy(*(miniature.images / path for path in twins_in_train))
    with caplog.at_level(logging.WARNING):
        check = check_images(build_index(miniature.dataset, miniature.root))
    assert check.duplicates == ((("train", paths["train"]), ("test", paths["test"])),)
    assert "caltech101: 1 picture in more than one part; the first is" in caplog.text
    assert f"{paths['train']} in train and {paths['test']} in test." in caplog.text


def test_the_same_image_under_two_classes_of_a_part_is_a_warning(miniature, caplog):
    index = build_index(miniature.dataset, miniature.root)
    train = index.table.query("part == 'train'")
    first, last = train.iloc[0], train.iloc[-1]
    shutil.copy(miniature.images / first["path"], miniature.images / last["path"])
    with caplog.at_level(logging.WARNING):
        check = check_images(build_index(miniature.dataset, miniature.root))
    expected = tuple((row["class_name"], row["path"]) for row in (first, last))
    assert (check.duplicates, check.contradictions) == ((), (expected,))
    assert "1 picture under more than one class; the first is" in caplog.text


def test_cache_that_is_none_is_made_again(miniature, tmp_path, caplog):
    cache = tmp_path / "checked.parquet"
    cache.write_text("not a table")
    index = build_index(miniature.dataset, miniature.root)
    assert check_images(index, cache) == check_images(index)
    assert f"{cache} " in caplog.text
    assert "the images are decoded again" in caplog.text


def test_real_photos(shared: Path):
    if not (shared / "data" / "caltech-101").is_dir():
        pytest.skip("the photos of Caltech-101 are not there")
    index = build_index("caltech101", shared / "data")
    some = replace(index, table=index.table.iloc[::40].reset_index(drop=True))
    assert sum(check_images(some).found.values()) == 207


def test_a_machine_without_memory_is_no_broken_image(miniature, monkeypatch):
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoded_images, "open_image", full)
    with pytest.raises(MemoryError):
        inspect_images(build_index(miniature.dataset, miniature.root))


def test_an_image_that_cannot_be_read_at_all(miniature):
    """Open, but every read fails, as on a failing disk."""
    for path in list(miniature.images.rglob("*.jpg"))[:2]:
        path.unlink()
        path.symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"Input/output error \(and so 1 more\); make the images"):
        build_index(miniature.dataset, miniature.root)
