"""Rendered datasets as folders: whole or absent, the same bytes again, honest split files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.rendered import RENDERED, datasets, draw_class, render_dataset

FEW = {"train": 2, "val": 1, "test": 3}


def small(root: Path, name: str = "demo_counts", **options) -> Path:
    return render_dataset(name, root, images_per_class=FEW, first_classes=4, **options)


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("dataset", RENDERED.values(), ids=RENDERED)
def test_every_dataset_is_large_enough(dataset):
    classes = len(dataset.classes)
    assert classes >= 20
    assert len(set(dataset.classes)) == classes
    assert dataset.template.count("{}") == 1
    assert dataset.template.endswith(".")
    assert dataset.images["test"] * classes >= 1000
    if dataset.shift_of:
        assert dataset.classes == RENDERED[dataset.shift_of].classes
        assert dataset.images["train"] == dataset.images["val"] == 0
    else:
        assert dataset.images["train"] >= 32
        assert dataset.images["val"] >= 4


def test_class_order_is_mixed():
    first = [name.split()[0] for name in RENDERED["demo_counts"].classes]
    half = len(first) // 2
    assert len(set(first[:half])) >= 4
    assert len(set(first[half:])) >= 4


def test_the_split_lists_every_picture_once(tmp_path):
    folder = small(tmp_path)
    split = json.loads((folder / "split.json").read_text())
    assert {part: len(rows) for part, rows in split.items()} == {"train": 8, "val": 4, "test": 12}
    listed = [path for rows in split.values() for path, _, _ in rows]
    on_disk = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert sorted(listed) == on_disk
    for path, label, name in (row for rows in split.values() for row in rows):
        assert RENDERED["demo_counts"].classes[label] == name
        assert path.split("/")[2] == name.replace(" ", "_")
        assert Image.open(folder / path).size == (48, 48)


def test_pictures_are_the_drawn_ones(tmp_path):
    folder = small(tmp_path, seed=5)
    drawn = list(draw_class(RENDERED["demo_counts"], "test", label=2, count=3, seed=5))
    name = RENDERED["demo_counts"].classes[2].replace(" ", "_")
    for number, picture in enumerate(drawn):
        stored = Image.open(folder / "images" / "test" / name / f"{number:03d}.png")
        assert np.array_equal(np.asarray(stored), picture)


def test_same_seed_same_bytes(tmp_path):
    first, second = small(tmp_path / "a", seed=3), small(tmp_path / "b", seed=3)
    other = small(tmp_path / "c", seed=4)
    assert digest(first) == digest(second)
    assert digest(first) != digest(other)


def test_a_miniature_is_the_start_of_the_whole(tmp_path):
    few = list(draw_class(RENDERED["demo_flags"], "train", 7, 2, seed=0))
    more = list(draw_class(RENDERED["demo_flags"], "train", 7, 5, seed=0))
    assert all(np.array_equal(a, b) for a, b in zip(few, more, strict=False))


def test_parts_hold_different_pictures():
    dataset = RENDERED["demo_objects"]
    train, test = (next(iter(draw_class(dataset, p, 0, 1, 0))) for p in ("train", "test"))
    assert not np.array_equal(train, test)


def test_a_finished_dataset_is_left_alone_and_a_stale_one_replaced(tmp_path):
    folder = small(tmp_path)
    marker = folder / "marker"
    marker.touch()
    small(tmp_path)
    assert marker.exists()
    recipe = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**recipe, "code": "of before"}))
    small(tmp_path)
    assert not marker.exists()
    assert json.loads((folder / "recipe.json").read_text()) == recipe


def test_an_edited_split_file_is_noticed(tmp_path):
    folder = small(tmp_path)
    before = (folder / "split.json").read_bytes()
    (folder / "split.json").write_bytes(b"{}")
    small(tmp_path)
    assert (folder / "split.json").read_bytes() == before


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_changed_picture_is_drawn_again_with_a_warning(tmp_path, caplog, change):
    folder = small(tmp_path)
    picture = min(folder.rglob("*.png"))
    before = picture.read_bytes()
    if change == "gone":
        picture.unlink()
    else:
        picture.write_bytes(max(folder.rglob("*.png")).read_bytes())
    small(tmp_path)
    assert picture.read_bytes() == before
    assert f"{picture} was changed: the pictures are drawn again" in caplog.text


def test_a_run_that_breaks_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def broken(*args):
        calls.append(args)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return draw_class(*args)

    monkeypatch.setattr("vlprompt_pipeline.image_datasets.rendered.writer.draw_class", broken)
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_not_rendered_is_left_as_it_is(tmp_path):
    mine = tmp_path / "demo_counts" / "train" / "mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"1")
    with pytest.raises(DataError, match="demo_counts is there and was not made here, and is left"):
        small(tmp_path)
    assert mine.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [tmp_path / "demo_counts"]


def test_a_folder_that_another_process_finished_first_stays(tmp_path, monkeypatch):
    writer = "vlprompt_pipeline.image_datasets.rendered.writer.draw_class"

    def slow(*args):
        monkeypatch.setattr(writer, draw_class)
        faster.append(small(tmp_path).stat().st_ino)
        return draw_class(*args)

    faster = []
    monkeypatch.setattr(writer, slow)
    assert [small(tmp_path).stat().st_ino] == faster
    assert list(tmp_path.iterdir()) == [tmp_path / "demo_counts"]


def test_a_folder_that_another_process_puts_in_place_meanwhile_stays(tmp_path, monkeypatch):
    rename, faster = Path.rename, []

    def slow(path, target):
        if path.name == "new" and not faster:
            faster.append(None)
            faster.append(small(tmp_path).stat().st_ino)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow)
    assert small(tmp_path).stat().st_ino == faster[1]
    assert list(tmp_path.iterdir()) == [tmp_path / "demo_counts"]


def test_an_unknown_name_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="no rendered dataset 'demo_cats'; there are demo_objects"):
        render_dataset("demo_cats", tmp_path)


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataError, match="cannot write the pictures of demo_counts to "):
        small(tmp_path / "data")


def test_shifted_variants_are_test_only(tmp_path):
    folder = render_dataset(
        "demo_objects_inverted", tmp_path, images_per_class={"test": 1}, first_classes=3
    )
    split = json.loads((folder / "split.json").read_text())
    assert (split["train"], split["val"], len(split["test"])) == ([], [], 3)
    assert set(datasets.PARTS) == set(split)
