"""From predictions to a page, from the page to a table, and from the table to a dataset."""

from __future__ import annotations

import csv
import os
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from browser import CHROMIUM, Browser
from command_line import vlprompt
from curation.photos import draw, write_shapes
from vlprompt_pipeline.curation.order import review_order
from vlprompt_pipeline.curation.relabel import relabel
from vlprompt_pipeline.curation.review_page import read_predictions, write_review_page
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import OwnData, build_own_index

TABLE = pd.DataFrame(
    {
        "path": ["square/0.png", "square/1.png", "blue_disc/0.png", "blue_disc/1.png"],
        "label": ["square", "square", "square", "blue disc"],
        "score": [0.99, 0.55, 0.9, 0.6],
        "label_2": ["blue disc"] * 3 + ["square"],
        "score_2": [0.01, 0.45, 0.1, 0.4],
    }
)


def test_wrong_ones_come_first_the_surest_before_others_then_small_margins():
    table = TABLE.assign(given=["blue disc", "square", "blue disc", "blue disc"])
    assert review_order(table, 4) == [0, 2, 1, 3]
    assert review_order(table, 4, np.ones((4, 1), dtype=np.float32)) == [0, 2, 1, 3]
    assert review_order(TABLE, 2) == [1, 3]


def test_classes_take_turns_where_there_are_no_features():
    table = pd.DataFrame({"label": ["a", "a", "a", "b"], "score": [0.5, 0.51, 0.52, 0.9]})
    assert review_order(table, 4) == [0, 3, 1, 2]


def test_photos_that_look_alike_wait():
    table = pd.DataFrame({"label": ["a"] * 4, "score": [0.5, 0.51, 0.6, 0.7]})
    features = np.eye(4, dtype=np.float32)
    assert review_order(table, 4, features) == [0, 1, 2, 3]
    features[1] = features[0]
    assert review_order(table, 4, features) == [0, 2, 3, 1]


@pytest.fixture
def photos(tmp_path) -> Path:
    write_shapes(tmp_path / "shapes", 4)
    return tmp_path / "shapes"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_labels_are_corrected_on_the_page(photos, tmp_path):
    page = tmp_path / "review.html"
    table = TABLE.assign(given=["square", "square", "blue disc", "blue disc"])
    write_review_page(page, table, review_order(table, 4), photos, "labels.csv")
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(page, width=1280)
        said = browser.evaluate("document.querySelector('figcaption').innerText")
        assert said.startswith("labelled blue disc, looks like square 0.90")
        assert browser.evaluate("document.getElementById('save').disabled")
        pick = "document.querySelectorAll('figure')[{}].querySelector(`{}`).click()"
        browser.evaluate(pick.format(0, '[data-choice="blue disc"]'))
        browser.evaluate(pick.format(1, '[data-choice="square"]'))
        browser.evaluate(pick.format(2, "[data-out]"))
        browser.evaluate(
            "(() => { const input = document.querySelectorAll('figure')[3].querySelector('input');"
            " input.value = ' a \"new\", class '; input.dispatchEvent(new Event('change')) })()"
        )
        assert browser.evaluate("document.getElementById('count').value") == (
            "4 of 4 decided, 1 left out"
        )
        classes = browser.evaluate("[...document.querySelectorAll('figure')].map(f => f.className)")
        assert classes == ["confirmed", "confirmed", "out", "corrected"]
        browser.open(page, width=400)  # as after a break: the browser remembers
        assert browser.evaluate("document.getElementById('all').disabled")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 400
        saved = browser.evaluate("table()")
        browser.evaluate("document.getElementById('reset').click()")
        browser.evaluate("document.getElementById('all').click()")
        kept = [row[1] for row in csv.reader(StringIO(browser.evaluate("table()")))][1:]
        assert kept == ["blue disc", "square", "blue disc", "square"], "as labelled, not predicted"
        assert browser.errors == []
    finally:
        browser.close()
    rows = list(csv.reader(StringIO(saved)))
    names = [table["path"][row] for row in (2, 1, 3, 0)]
    expected = [("blue disc", "keep"), ("square", "keep"), ("", "leave out")]
    expected.append(('a "new", class', "keep"))
    assert rows[0] == ["path", "label", "decision"]
    assert rows[1:] == [
        [str(photos / name), label, decision]
        for name, (label, decision) in zip(names, expected, strict=True)
    ]


def write_review(file: Path, *rows: tuple[object, str, str]) -> Path:
    pd.DataFrame(rows, columns=["path", "label", "decision"]).to_csv(file, index=False)
    return file


def test_a_review_becomes_the_table_of_a_folder(photos, tmp_path):
    kept = tmp_path / "kept"
    before = build_own_index("shapes", tmp_path, OwnData(), kept_splits=kept).table
    draw(tmp_path / "new" / "0.png", "disc", 30)
    reviewed = write_review(
        tmp_path / "reviewed_labels.csv",
        (photos / "square/0.png", "blue disc", "keep"),  # as the page names the class blue_disc
        (photos / "square/1.png", "square", "keep"),
        (photos / "square/2.png", "", "leave out"),
        (tmp_path / "new/0.png", "far disc", "keep"),
        (photos / "square/3.png", "far disc", "keep"),
    )
    done = relabel("shapes", tmp_path, reviewed)
    assert dict(done.counts) == {"corrected": 2, "confirmed": 1, "left out": 1, "added": 1}
    assert (done.photos, done.new_classes) == (8, ("far disc",))
    index = build_own_index("shapes", tmp_path, OwnData(), kept_splits=kept)
    assert index.card.class_names == ("blue disc", "far disc", "square")
    named = dict(zip(index.table["path"], index.table["class_name"], strict=True))
    assert named["shapes/square/0.png"] == "blue disc"
    assert named["new/0.png"] == "far disc"
    assert "shapes/square/2.png" not in named
    part = dict(zip(before["fingerprint"], before["part"], strict=True))
    after = dict(zip(index.table["fingerprint"], index.table["part"], strict=True))
    assert all(after[each] == part[each] for each in set(part) & set(after))
    again = relabel("shapes", tmp_path, reviewed)
    assert dict(again.counts) == {"confirmed": 4, "left out": 0}


def test_labels_by_other_names_than_the_folders_are_those_of_the_folders(photos, tmp_path):
    (tmp_path / "names.csv").write_text("folder,name\nblue_disc,the sky\nsquare,a box\n")
    draw(tmp_path / "new/0.png", "disc", 30)
    reviewed = write_review(
        tmp_path / "reviewed_labels.csv",
        (photos / "square/0.png", "a box", "keep"),
        (photos / "square/1.png", "the sky", "keep"),
        (photos / "square/2.png", "blue disc", "keep"),
        (photos / "square/3.png", "far disc", "keep"),
        (tmp_path / "new/0.png", "the sky", "keep"),
    )
    done = relabel("shapes", tmp_path, reviewed, "names.csv")
    assert dict(done.counts) == {"corrected": 3, "confirmed": 1, "added": 1}
    assert done.new_classes == ("far disc",)
    table = build_own_index("shapes", tmp_path, OwnData(class_names="names.csv")).table
    named = dict(zip(table["path"], table["class_name"], strict=True))
    assert set(named.values()) == {"a box", "far disc", "the sky"}
    assert named["new/0.png"] == named["shapes/square/1.png"] == "the sky"


def test_a_class_may_be_called_none(photos, tmp_path):
    (photos / "blue_disc").rename(photos / "none")
    reviewed = write_review(tmp_path / "r.csv", (photos / "square/0.png", "none", "keep"))
    assert dict(relabel("shapes", tmp_path, reviewed).counts) == {"corrected": 1}


def test_a_table_with_notes_is_kept_beside_the_new_one(photos, tmp_path):
    table = tmp_path / "shapes.csv"
    rows = "shapes/square/0.png,square,blurred\nshapes/square/1.png,square,\n"
    table.write_text(f"path,label,notes\n{rows}")
    reviewed = write_review(tmp_path / "r.csv", (photos / "square/0.png", "disc", "keep"))
    done = relabel("shapes", tmp_path, reviewed)
    assert table.read_text() == "path,label\nshapes/square/0.png,disc\nshapes/square/1.png,square\n"
    assert (done.replaced.name, done.lost_columns) == ("shapes.csv.before_review", ("notes",))
    assert done.replaced.read_text() == f"path,label,notes\n{rows}"
    again = relabel("shapes", tmp_path, reviewed)
    assert (again.replaced, again.lost_columns) == (None, ())
    assert done.replaced.read_text() == f"path,label,notes\n{rows}", "what it was, and not since"


@pytest.mark.parametrize("linked", ["photos", "folder"])
def test_photos_that_are_links_get_their_labels(photos, tmp_path, linked):
    root = tmp_path / "data"
    for path in photos.rglob("*.png") if linked == "photos" else [photos]:
        link = root / path.relative_to(tmp_path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    write_review_page(tmp_path / "page.html", TABLE, [0], root / "shapes", "x")
    shown = re.search(r'data-path="([^"]*)"', (tmp_path / "page.html").read_text())[1]
    reviewed = write_review(tmp_path / "reviewed.csv", (shown, "blue disc", "keep"))
    done = relabel("shapes", root, reviewed)
    assert (dict(done.counts), done.photos) == ({"corrected": 1}, 8)


def test_a_name_that_is_no_utf8_is_refused(photos, tmp_path):
    (photos / "square/1.png").rename(os.fsdecode(os.fsencode(photos) + b"/square/\xff.png"))
    reviewed = write_review(tmp_path / "r.csv", (photos / "square/0.png", "square", "keep"))
    with pytest.raises(DataError, match="or bytes that are no UTF-8"):
        relabel("shapes", tmp_path, reviewed)
    assert not (tmp_path / "shapes.csv").exists()


def test_labels_are_texts_as_they_stand(tmp_path):
    rows = "a.png,NA,0.9,null,007\nb.png,007,0.5,,\n3,,,,None\n"
    (tmp_path / "labels.csv").write_text(f"path,label,score,label_2,given\n{rows}")
    table = read_predictions(tmp_path / "labels.csv")
    assert table[["label", "label_2", "given"]].to_numpy().tolist() == [
        ["NA", "null", "007"],
        ["007", "", ""],
    ]


def test_all_labels_that_were_predicted_can_be_chosen(photos, tmp_path):
    file = tmp_path / "labels.csv"
    rows = "path,label,score,label_2,label_3,label_set\nsquare/0.png,square,0.4,ring,007,a | b\n"
    file.write_text(rows)
    write_review_page(tmp_path / "page.html", read_predictions(file), [0], photos, "labels.csv")
    page = (tmp_path / "page.html").read_text()
    assert re.findall('data-choice="(.*?)"', page) == ["square", "ring", "007"]
    assert re.findall('<option value="(.*?)"', page) == ["007", "ring", "square"]


def test_photos_are_added_to_the_training_part_of_a_dataset_with_parts(tmp_path):
    write_shapes(tmp_path / "shapes/train", 2)
    write_shapes(tmp_path / "shapes/test", 2)
    draw(tmp_path / "new.png", "disc", 20)
    row = (tmp_path / "new.png", "blue_disc", "keep")
    relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    table = build_own_index("shapes", tmp_path, OwnData()).table
    assert table.groupby("part").size().to_dict() == {"train": 5, "test": 4}


def test_what_is_no_review_is_refused(photos, tmp_path):
    with pytest.raises(DataError, match="it is the table that the page of vlprompt review saves"):
        TABLE.to_csv(tmp_path / "labels.csv", index=False)
        relabel("shapes", tmp_path, tmp_path / "labels.csv")
    with pytest.raises(DataError, match=r"no label for .*0\.png: give it one, or leave it out"):
        row = (photos / "square/0.png", "", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    with pytest.raises(DataError, match=r"labels .*0\.png 'none', which is what a model says"):
        row = (photos / "square/0.png", "none", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    with pytest.raises(DataError, match="the class 'cat; dog' would be read as several labels in"):
        row = (photos / "square/0.png", "cat; dog", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    with pytest.raises(DataError, match=r"no label for .*0\.png: give it one, or leave it out"):
        row = (photos / "square/0.png", " ", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    with pytest.raises(DataError, match="reviewed.csv has names with control characters"):
        row = (photos / "square/0.png", "cat\ndog", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    with pytest.raises(DataError, match=r"has the path 'square/0\.png', not an absolute one"):
        row = ("square/0.png", "square", "keep")
        relabel("shapes", tmp_path, write_review(tmp_path / "reviewed.csv", row))
    assert not (tmp_path / "shapes.csv").exists()
    with pytest.raises(ConfigError, match="relabel.dataset is 'my photos': a dataset's name"):
        relabel("my photos", tmp_path, tmp_path / "reviewed.csv")
    with pytest.raises(ConfigError, match="dtd is no dataset of your own photos: give them"):
        relabel("dtd", tmp_path, tmp_path / "reviewed.csv")
    TABLE.to_parquet(tmp_path / "shapes.parquet")
    with pytest.raises(ConfigError, match="write it as shapes.csv first"):
        relabel("shapes", tmp_path, tmp_path / "reviewed.csv")
    with pytest.raises(DataError, match="has no column score"):
        TABLE.drop(columns="score").to_csv(tmp_path / "labels.csv", index=False)
        read_predictions(tmp_path / "labels.csv")
    with pytest.raises(DataError, match=r"cannot read .*labels\.csv \(could not convert"):
        TABLE.assign(score="high").to_csv(tmp_path / "labels.csv", index=False)
        read_predictions(tmp_path / "labels.csv")
    with pytest.raises(DataError, match="no photo of the table is in"):
        write_review_page(tmp_path / "page.html", TABLE, [0], tmp_path, "x")


def test_the_commands(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TABLE.assign(problem="").to_csv("labels.csv", index=False)
    said = vlprompt("review", "labels.csv", "--images", "shapes", "--count", "3")
    assert "labels.review.html: 3 of 4 photos" in said
    write_review(Path("reviewed_labels.csv"), (photos / "square/0.png", "blue disc", "keep"))
    said = vlprompt("relabel", "shapes", "reviewed_labels.csv", "--dataset-root", ".")
    assert "shapes.csv: 8 photos (1 corrected)" in said
    Path("names.json").write_text('{"square": "box"}')
    names = ("--class-names", "names.json")
    said = vlprompt("relabel", "shapes", "reviewed_labels.csv", "--dataset-root", ".", *names)
    assert "shapes.csv: 8 photos (1 confirmed)" in said
    assert said.endswith("dataset=shapes,dataset_root=.,own_data.class_names=names.json\n")
