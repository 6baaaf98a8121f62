"""A test photo stays one when photos, labels and classes are added, moved or renamed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from image_datasets.own_data.photos import write_classes, write_photo
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem import places
from vlprompt_pipeline.image_datasets import (
    ImageIndex,
    OwnData,
    RandomSplit,
    build_own_index,
    fingerprints,
)
from vlprompt_pipeline.image_datasets.own_data.kept_split import KeptSplit


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    write_classes(folder, cat=10, dog=7)
    return folder


def index(zoo: Path, **options) -> ImageIndex:
    kept = zoo.parent / "kept"
    return build_own_index("zoo", zoo.parent, OwnData(**options), kept_splits=kept)


def parts(index: ImageIndex) -> dict[str, str]:
    """Part by content."""
    return dict(zip(index.table["fingerprint"], index.table["part"], strict=True))


def test_the_first_draw_is_that_of_the_seed_and_stays(zoo):
    first = index(zoo)
    drawn = build_own_index("zoo", zoo.parent, OwnData())
    assert first.card == drawn.card
    assert index(zoo).card == first.card
    assert index(zoo, split=RandomSplit(seed=2)).card.random_split == "own random split, seed 2"


def test_a_split_that_is_kept_in_a_bucket_stays_on_another_machine(zoo, bucket, machine):
    def drawn() -> dict[str, str]:
        kept = places.local(f"{bucket}/kept")
        return parts(build_own_index("zoo", zoo.parent, OwnData(), kept_splits=kept))

    before = drawn()
    machine("second")
    write_classes(zoo, cat=20)
    assert before.items() <= drawn().items()


def test_added_photos_fill_the_shares_and_move_no_other(zoo, caplog):
    caplog.set_level(logging.INFO)
    before = parts(index(zoo))
    assert "the split is kept" not in caplog.text
    write_classes(zoo, cat=20, cow=10)
    after = index(zoo)
    assert before.items() <= parts(after).items()
    sizes = after.table.groupby(["class_name", "part"]).size()
    assert sizes["cat"].to_dict() == {"train": 10, "val": 4, "test": 6}
    assert sizes["cow"].to_dict() == {"train": 5, "val": 2, "test": 3}
    assert after.card.random_split == "own random split, seed 1, changed since"
    assert "zoo: the split is kept; new photos: 10 for train, 4 for val, 6 for test" in caplog.text
    assert index(zoo).card == after.card
    fresh = parts(build_own_index("zoo", zoo.parent, OwnData()))
    assert not before.items() <= fresh.items(), "without the kept split photos would have moved"


def test_a_photo_keeps_its_part_under_another_label_and_name(zoo):
    before = parts(index(zoo))
    moved = next(zoo / path for path in index(zoo).table.query("part == 'test'")["path"])
    moved.rename(zoo / "dog" / "renamed.png")
    assert parts(index(zoo)) == before


def test_new_copies_go_together_and_a_copy_of_a_kept_photo_goes_to_its_part(zoo):
    first = index(zoo).table.set_index("path")["part"]
    for path in ("cat/000.png", "cat/001.png", "dog/000.png"):
        copied = (zoo / path).with_suffix(".copy.png")
        copied.write_bytes((zoo / path).read_bytes())
    for serial in range(6):
        write_photo(zoo / f"cat/new_{serial}.png")
        (zoo / f"cat/zz_{serial}.png").write_bytes((zoo / f"cat/new_{serial}.png").read_bytes())
    table = index(zoo).table
    assert table.groupby("fingerprint")["part"].nunique().max() == 1
    assert table.set_index("path")["part"][first.index].equals(first)
    pictures = table[table["class_name"] == "cat"].drop_duplicates("fingerprint")
    assert pictures["part"].value_counts().to_dict() == {"train": 8, "test": 5, "val": 3}


def test_a_photo_that_comes_back_returns_to_its_part(zoo):
    before = parts(index(zoo))
    gone = zoo / "cat" / "003.png"
    content = gone.read_bytes()
    gone.unlink()
    index(zoo)
    gone.write_bytes(content)
    assert parts(index(zoo)) == before


def test_the_mark_tells_that_photos_are_gone(zoo):
    index(zoo)
    for serial in range(4):
        (zoo / f"cat/{serial:03}.png").unlink()
    assert index(zoo).card.random_split == "own random split, seed 1, changed since"


def test_copies_in_two_parts_stay_where_they_are(zoo):
    table = build_own_index("zoo", zoo.parent, OwnData()).table
    cat = table.query("class_name == 'cat' and part == 'test'")["path"].iloc[0]
    dog = table.query("class_name == 'dog' and part == 'train'")["path"].iloc[0]
    (zoo / dog).write_bytes((zoo / cat).read_bytes())
    first = index(zoo)
    parts_of_copies = first.table.set_index("path")["part"][[cat, dog]]
    assert parts_of_copies.tolist() == ["test", "train"]
    assert index(zoo).card == first.card


def test_a_new_copy_of_a_photo_in_two_parts_is_for_testing(tmp_path):
    kept = KeptSplit(tmp_path / "kept.json", {"sha256:1": {"a.png": "train", "b.png": "test"}})
    dealt = kept.divide(RandomSplit(), ["c.png"], "cat", {"c.png": "sha256:1"})
    assert dealt == {"train": [], "val": [], "test": ["c.png"]}


def test_a_class_of_one_new_photo_trains_and_one_of_two_tests(zoo):
    index(zoo)
    write_photo(zoo / "owl" / "000.png")
    write_classes(zoo, pig=2)
    sizes = index(zoo).table.groupby(["class_name", "part"]).size()
    assert sizes["owl"].to_dict() == {"train": 1}
    assert sizes["pig"].to_dict() == {"train": 1, "test": 1}


def test_photos_stay_when_their_set_becomes_too_large_to_read(zoo, monkeypatch, caplog):
    before = index(zoo).table.set_index("path")["part"]
    write_classes(zoo, cat=14)
    monkeypatch.setattr(fingerprints, "MAX_HASHED", 20)
    with caplog.at_level(logging.INFO):
        larger = index(zoo).table.set_index("path")["part"]
    assert larger[before.index].equals(before)
    assert "new photos: 2 for train, 1 for val, 1 for test" in caplog.text
    for photo in zoo.rglob("*.png"):
        photo.touch()
    assert index(zoo).table.set_index("path")["part"].equals(larger)
    monkeypatch.undo()
    write_classes(zoo, cat=30)
    assert index(zoo).table.set_index("path")["part"][larger.index].equals(larger)


def test_given_parts_are_not_kept(tmp_path):
    write_classes(tmp_path / "zoo" / "train", cat=2, dog=2)
    write_classes(tmp_path / "zoo" / "test", cat=2, dog=2)
    index(tmp_path / "zoo")
    assert not (tmp_path / "kept").exists()


def test_a_changed_file_moves_no_photo_unnoticed(zoo):
    before = parts(index(zoo))
    (file,) = (zoo.parent / "kept").iterdir()
    whole = file.read_text()
    stored = json.loads(whole)
    stored["train"][0], stored["test"][0] = stored["test"][0], stored["train"][0]
    file.write_text(json.dumps(stored))
    with pytest.raises(DataError, match="json has been changed since it was written: restore it"):
        index(zoo)
    file.write_text("".join(row for row in whole.splitlines(True) if 'sha256"' not in row))
    assert parts(index(zoo)) == before, "a file of before has no digest"
    assert file.read_text() == whole


def test_a_broken_file_says_what_to_do(zoo):
    index(zoo)
    (file,) = (zoo.parent / "kept").iterdir()
    assert file.name == "zoo_seed1_0.5_0.2_0.3.json"
    stored = json.loads(file.read_text())
    del stored["test"]
    file.write_text(json.dumps(stored))
    with pytest.raises(DataError, match="delete it to have the test part drawn anew"):
        index(zoo)
