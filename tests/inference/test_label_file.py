"""A table of labels goes on after any death, and nothing is overwritten unasked."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from inference.fake_model import GreyModel, write_greys
from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.inference import LabelFile, find_photos, label_file, label_to_file
from vlprompt_pipeline.inference.label_file import csv_line, read_rows
from vlprompt_pipeline.inference.label_page import thumbnail, write_label_page
from vlprompt_pipeline.rejection import Calibration, OperatingPoint, Rejection

LEVELS = [(37 * n) % 256 for n in range(50)]
TESTS = Path(__file__).parents[1]
KILLED = """
import os, signal, sys
from pathlib import Path
from inference.fake_model import GreyModel
from vlprompt_pipeline.inference import LabelFile, find_photos, label_to_file
class Dies(GreyModel):
    def logits(self, pixels):
        if len(self.blocks) == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().logits(pixels)
photos = find_photos([Path(sys.argv[1])]).photos
label_to_file(Dies(), photos, LabelFile(Path(sys.argv[2])), top=2, advance=lambda n: None)
"""


class Dies(GreyModel):
    """A model that is stopped behind its first block."""

    def logits(self, pixels):
        if self.blocks:
            raise KeyboardInterrupt
        return super().logits(pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_greys(folder, LEVELS)
    (folder / 'quoted, "name"\nof two lines.png').write_bytes((folder / "000.png").read_bytes())
    (folder / "broken.png").write_bytes(b"")
    return folder


def label(photos: Path, out: Path, model=None, **options):
    overwrite, page = options.pop("overwrite", False), options.pop("page", False)
    return label_to_file(
        model or GreyModel(),
        find_photos([photos]).photos,
        LabelFile(out, overwrite, page),
        **{"top": 2, "advance": lambda count: None, **options},
    )


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("out") / "labels.csv"
    done = label(folder, out)
    assert (done.rows, done.before, done.broken) == (52, 0, 1)
    assert [path.name for path in out.parent.iterdir()] == ["labels.csv"]
    return out.read_bytes()


@pytest.mark.parametrize("blocks", [1, 7])
def test_a_killed_process_is_continued_without_a_lost_or_doubled_row(
    folder, expected, tmp_path, blocks
):
    out = tmp_path / "labels.csv"
    command = [sys.executable, "-c", KILLED, str(folder), str(out), str(blocks)]
    paths = os.pathsep.join([str(TESTS), *sys.path])
    died = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": paths})
    assert died.returncode == -signal.SIGKILL
    assert not out.exists()
    told = []
    done = label(folder, out, advance=told.append)
    assert done.before == told[0] == 4 * blocks
    assert done.rows == sum(told) == 52
    assert out.read_bytes() == expected


def test_cut_at_any_byte_the_table_becomes_the_same(folder, expected, tmp_path):
    out = tmp_path / "labels.csv"
    part, begun = tmp_path / "labels.csv.part", tmp_path / "labels.csv.part.json"
    with LabelFile(out) as file:
        file.begin(expected.decode().splitlines()[0].split(","), settings := _settings())
    about = begun.read_text()
    assert json.loads(about)["model"] == settings["model"]
    quoted = expected.index(b'"quoted')
    cuts = [0, 5, 40, 400, 401, *range(quoted - 1, quoted + 50, 7), len(expected) - 1]
    for cut in [*cuts, len(expected)]:
        for edited in (b"", b"\n"):  # an editor's empty line is no row
            part.write_bytes(expected[:cut] + edited)
            begun.write_text(about)
            label(folder, out)
            assert out.read_bytes() == expected, cut
            out.unlink()


def _settings():
    model = GreyModel()
    return {
        "folder": str(Path.cwd()),
        "model": model.name,
        "version": model.version,
        "classes": list(model.class_names),
    }


def test_what_is_there_is_kept_unless_told_otherwise(folder, expected, tmp_path):
    out = tmp_path / "labels.csv"
    out.write_text("mine")
    with pytest.raises(UserError, match="is there already: name another file, or give --overwrite"):
        label(folder, out)
    assert out.read_text() == "mine"
    label(folder, out, overwrite=True)
    assert out.read_bytes() == expected


def test_a_page_that_is_there_is_kept_unless_the_table_goes_on(folder, tmp_path):
    out, page = tmp_path / "labels.csv", tmp_path / "labels.html"
    page.write_text("mine")
    with pytest.raises(UserError, match=r"labels\.html is there already: name another file"):
        label(folder, out, page=True)
    assert page.read_text() == "mine"
    with pytest.raises(KeyboardInterrupt):
        label(folder, out, Dies())
    label(folder, out, page=True)
    assert "photos labelled" in page.read_text()


def test_a_table_begun_with_another_model_is_not_mixed(folder, tmp_path):
    class Newer(GreyModel):
        version = "8"

    out = tmp_path / "labels.csv"
    with pytest.raises(KeyboardInterrupt):
        label(folder, out, Dies())
    before = (tmp_path / "labels.csv.part").read_bytes()
    with pytest.raises(UserError, match=r"was begun with version 7, not 8: .*--overwrite"):
        label(folder, out, Newer())
    with pytest.raises(UserError, match="was begun with columns path, label"):
        label(folder, out, top=1)
    other = GreyModel()
    other.class_names = ("dark", "middle", "white")
    with pytest.raises(UserError, match="was begun with classes dark, middle, light, not dark"):
        label(folder, out, other)
    (tmp_path / "labels.csv.part.json").write_text("[3]")
    with pytest.raises(UserError, match="was begun with columns None"):
        label(folder, out)
    assert (tmp_path / "labels.csv.part").read_bytes() == before
    assert label(folder, out, Newer(), overwrite=True).before == 0


def test_a_table_begun_with_another_threshold_is_not_mixed(folder, tmp_path):
    """Thresholds that could be chosen decide on no row, and may be others."""
    chosen = Calibration(images=40, wanted=0.9, accepted=0.5, accuracy=0.9, accuracy_of_all=0.7)
    own = Rejection(kind="max_softmax", threshold=0.6, temperature=2.0, calibration=chosen)
    point = OperatingPoint(accuracy=0.8, threshold=0.4, accepted=0.5)

    def rejecting(kind: type[GreyModel], **changes) -> GreyModel:
        model = kind()
        model.rejection = own.model_copy(update=changes)
        return model

    out = tmp_path / "labels.csv"
    with pytest.raises(KeyboardInterrupt):
        label(folder, out, rejecting(Dies))
    with pytest.raises(UserError, match="was begun with rejection"):
        label(folder, out, rejecting(GreyModel, threshold=0.7))
    assert label(folder, out, rejecting(GreyModel, operating_points=(point,))).before == 4


@pytest.mark.parametrize("named", [True, False])
def test_a_table_begun_with_another_folder_is_not_mixed(named, tmp_path, monkeypatch):
    """Whose photos have the same names; where none is named, paths start in the working folder."""
    out = tmp_path / "labels.csv"
    first, second = tmp_path / "first", tmp_path / "second"
    for each, level in ((first, 0), (second, 255)):
        (each / "photos").mkdir(parents=True)
        write_greys(each / "photos", [level] * 10)

    def label_in(project: Path, model: GreyModel):
        monkeypatch.chdir(project)
        photos = project / "photos" if named else Path("photos")
        return label(photos, out, model, folder=project if named else None)

    with pytest.raises(KeyboardInterrupt):
        label_in(first, Dies())
    with pytest.raises(UserError, match=r"was begun with folder .*/first, not .*/second: give"):
        label_in(second, GreyModel())
    assert label_in(first, GreyModel()).before == 4


def test_a_set_of_many_labels_is_read_again(tmp_path):
    labels = " | ".join(f"species {number}" for number in range(100_000))
    out = tmp_path / "a.PARQUET"
    for written in ([], ["NA"]):  # a name that pyarrow would take for no value
        with LabelFile(out) as file:
            file.begin(["path", "label_set"], {})
            assert file.done == set(written)
            file.write([["NA", labels]] if not written else [])
            assert [row["label_set"] for row in read_rows(file.part)] == [labels]
            if written:
                file.finish()
    assert pd.read_parquet(out).to_numpy().tolist() == [["NA", labels]]


def test_two_processes_do_not_write_one_table(folder, tmp_path):
    out = tmp_path / "labels.csv"
    with LabelFile(out) as first:
        first.begin(["path"], {})
        with pytest.raises(UserError, match="another process is writing"):
            label(folder, out)


def test_parquet_has_the_same_rows(folder, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(label_file, "_BLOCK", 300)  # a few rows, some names in two of them
    out = tmp_path / "labels.parquet"
    label(folder, out)
    table = pd.read_parquet(out)
    (tmp_path / "labels.csv").write_bytes(expected)
    same = pd.read_csv(tmp_path / "labels.csv", dtype={"version": str})
    pd.testing.assert_frame_equal(table, same, check_dtype=False)
    assert str(table["score"].dtype) == "float64"
    assert [path.name for path in tmp_path.glob("labels.parquet*")] == ["labels.parquet"]


def test_scores_have_all_digits_of_single_precision():
    assert csv_line(["a.png", 0.123456789, None]) == "a.png,0.1234568,\n"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_carriage_return_in_a_name_is_no_end_of_a_line(tmp_path, ending):
    write_greys(tmp_path, [0])
    (tmp_path / "000.png").rename(tmp_path / "one\rphoto.png")
    out = tmp_path / f"labels.{ending}"
    with LabelFile(out) as file:
        file.begin(["path", "score"], {})
        file.write([["one\rphoto.png", 0.5]])
    with LabelFile(out) as file:
        file.begin(["path", "score"], {})
        assert file.done == {"one\rphoto.png"}
    label(tmp_path, out, overwrite=True, page=True, folder=tmp_path)
    table = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert table["path"].tolist() == ["one\rphoto.png"]


@pytest.mark.parametrize(("name", "said"), [("a.xlsx", "neither .csv"), ("no/a.csv", "no folder")])
def test_names_that_cannot_be(name, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        LabelFile(tmp_path / name)


def test_a_photo_that_is_named_twice_has_one_row(folder, tmp_path):
    photos, told = find_photos([folder]).photos[:6], []
    done = label_to_file(
        GreyModel(), [*photos, *photos], LabelFile(tmp_path / "a.csv"), top=1, advance=told.append
    )
    assert done.rows == 6
    assert told == [0, 4, 2], "photos of before, then of each block"
    assert len(pd.read_csv(tmp_path / "a.csv")) == 6


def test_the_page_counts_all_and_shows_the_least_sure(folder, tmp_path):
    done = label(folder, tmp_path / "labels.csv", page=True, folder=folder)
    table = pd.read_csv(tmp_path / "labels.csv")
    page = (tmp_path / "labels.html").read_text()
    assert f"{done.rows - 1} photos labelled, 1 could not be read" in page
    for name, group in table.groupby("label"):
        assert f"{name} <small>{len(group)}</small>" in page
        least = group.nsmallest(8, "score")["score"]
        for score in least:
            assert f"<b>{score:.2f}</b>" in page
    assert page.count("<img") == sum(min(len(g), 8) for _, g in table.groupby("label"))
    assert 'src="data:image/jpeg;base64,' in page
    assert "<li>broken.png: " in page


def test_the_page_of_many_labels_stays_small_and_begins_with_the_least_sure(tmp_path):
    """400 photos at most, so 3 of each of 130 labels; and 50 problems."""
    row = {"label_2": "other", "score_2": "0.126", "problem": ""}
    rows = [
        {**row, "path": f"{place}-{label}.png", "label": f"label {label}", "score": f"0.{place}"}
        for place in (7, 9, 5, 8, 6)
        for label in range(130)
    ]
    rows += [{"path": f"{number}.png", "problem": "broken"} for number in range(60)]
    write_label_page(tmp_path / "page.html", rows, tmp_path, "model")
    page = (tmp_path / "page.html").read_text()
    assert "650 photos labelled, 60 could not be read" in page
    assert page.count("<figure>") == 390
    shown = [page.index(f"{place}-129.png") for place in (5, 6, 7)]
    assert shown == sorted(shown)
    assert "<b>0.50</b> then other 0.13<br>5-129.png" in page
    assert page.count(": broken</li>") == 50


def test_pictures_of_the_page_are_small_and_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # held on its side
    Image.new("RGB", (800, 400)).save(tmp_path / "photo.jpg", exif=exif)
    content = base64.b64decode(thumbnail(tmp_path / "photo.jpg", 50).partition("base64,")[2])
    assert Image.open(BytesIO(content)).size == (50, 100)


def test_the_lock_is_removed_before_another_process_may_take_it(tmp_path, monkeypatch):
    release, there = FileLock.release, []

    def look(lock, *args, **options):
        there.append(Path(lock.lock_file).exists())
        return release(lock, *args, **options)

    monkeypatch.setattr(FileLock, "release", look)
    with LabelFile(tmp_path / "labels.csv") as file:
        file.begin(["path"], {})
    assert there[0] is False
