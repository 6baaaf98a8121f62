"""Photos are labelled in order, in blocks of one size, and a broken one harms no other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from inference.fake_model import BrokenModel, GreyModel, write_greys
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.inference import (
    Photo,
    find_photos,
    predict_photos,
    read_paths,
    table_columns,
    with_accuracy,
)
from vlprompt_pipeline.inference.predictions import ranked
from vlprompt_pipeline.rejection import Calibration, OperatingPoint, Rejection, softmax

LEVELS = [0, 255, 120, 10, 250, 130, 0, 0, 255, 128]
LABELS = ["dark", "light", "middle", "dark", "light", "middle", "dark", "dark", "light", "middle"]


def predicted(model, photos, top=1):
    return [each for block in predict_photos(model, photos, top, workers=2) for each in block]


def test_photos_are_labelled_in_order_and_blocks_are_filled_up(tmp_path):
    write_greys(tmp_path, LEVELS)
    model = GreyModel()
    found = predicted(model, find_photos([tmp_path]).photos)
    assert [each.labels for each in found] == [(label,) for label in LABELS]
    assert [each.photo.name for each in found] == [f"{n:03d}.png" for n in range(10)]
    assert [len(block) for block in model.blocks] == [4, 4, 4]
    assert not model.blocks[-1][2:].any(), "what an earlier block left is not scored again"


def test_ranks_are_those_of_the_scores(tmp_path):
    (path,) = write_greys(tmp_path, [100])
    model = GreyModel()
    (each,) = predicted(model, [Photo("x", path)], top=5)
    assert each.labels == ("middle", "dark", "light")
    scores = model.scores(model.pixels(path.read_bytes())[None])[0]
    np.testing.assert_allclose(each.scores, sorted(scores, reverse=True))
    assert table_columns(model, 5) == [
        *("path", "label", "score", "label_2", "score_2", "label_3", "score_3"),
        *("problem", "model", "version"),
    ]
    assert len(each.row(model, 5)) == 10
    assert each.row(model, 1)[0] == "x"


def test_of_equal_scores_the_first_class_is_better():
    model = GreyModel()
    model.class_names = tuple(map(str, range(40)))
    logits = np.zeros((1, 40))
    logits[0, 30] = 1
    (each,) = ranked(model, [None], logits, 4)
    assert each.labels == ("30", "0", "1", "2")


def test_broken_files_are_named_between_the_others(tmp_path):
    paths = write_greys(tmp_path, LEVELS[:6])
    paths[1].write_bytes(b"no picture")
    paths[4].write_bytes(paths[4].read_bytes()[:40])
    paths[5].unlink()
    paths.append(Path("no\0name.png"))
    model = GreyModel()
    found = predicted(model, [Photo(path.name, path) for path in paths], top=2)
    assert [bool(each.problem) for each in found] == [False, True, False, False, True, True, True]
    assert [each.labels[:1] for each in found if each.labels] == [("dark",), ("middle",), ("dark",)]
    assert "cannot be read as an image" in found[1].problem
    assert "No such file" in found[5].problem
    assert found[6].problem.startswith("there is no such file (")
    assert found[1].row(model, 2) == [
        *("001.png", None, None, None, None),
        *(found[1].problem, "fake.grey", "7"),
    ]


def test_many_broken_files_are_told_of_before_the_last_is_read(tmp_path):
    (path,) = write_greys(tmp_path, [0])
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield Photo(str(asked), path)

    stream = predict_photos(BrokenModel(), endless(), 1, workers=2)
    assert {each.problem for each in next(stream)} == {"never"}
    assert asked < 100, "photos are taken as they are needed"
    stream.close()


def test_photos_of_folders_files_and_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a/b").mkdir(parents=True)
    write_greys(tmp_path / "a/b", [0, 0])
    (tmp_path / "a/notes.txt").write_text("no picture")
    alone = find_photos([Path("a")])
    assert [photo.name for photo in alone.photos] == ["b/000.png", "b/001.png"]
    assert dict(alone.ignored) == {".txt": 1}
    both = find_photos([Path("a"), Path("a/notes.txt")])
    assert [photo.name for photo in both.photos] == ["a/b/000.png", "a/b/001.png", "a/notes.txt"]
    (tmp_path / "c").mkdir()
    (tmp_path / "c/more.txt").touch()
    assert dict(find_photos([Path("a"), Path("c")]).ignored) == {".txt": 2}
    lines = list(read_paths(["a/b/000.png\n", "\n", "with space .jpg\r\n"]))
    assert [photo.name for photo in lines] == ["a/b/000.png", "with space .jpg"]
    assert next(read_paths([" spaces around \n"])).path == Path(" spaces around ")
    odd = os.fsdecode(b"odd\xff.png")
    assert next(read_paths([odd])) == Photo("odd\\xff.png", Path(odd))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image files in empty: name a folder"):
        find_photos([Path("empty")])
    (tmp_path / "empty/IMG_1.HEIC").touch()
    with pytest.raises(DataError, match=r"in empty \(files ignored .*: \.heic 1\): name a folder"):
        find_photos([Path("empty")])
    with pytest.raises(DataError, match="there is no nowhere"):
        find_photos([Path("nowhere")])


def rejecting(kind: str = "max_softmax", wanted: float = 0.9) -> GreyModel:
    model = GreyModel()
    chosen = Calibration(images=40, wanted=wanted, accepted=0.5, accuracy=0.9, accuracy_of_all=0.7)
    model.rejection = Rejection(kind=kind, threshold=0.6, temperature=2.0, calibration=chosen)
    return model


def test_what_is_none_of_the_classes_has_the_nearest_beside_it(tmp_path):
    paths = write_greys(tmp_path, [0, 60, 255])
    paths[2].write_bytes(b"")
    model = rejecting()
    found = predicted(model, [Photo(path.name, path) for path in paths], top=2)
    columns = ["path", "label", "score", "label_2", "score_2", "nearest"]
    assert table_columns(model, 2) == [*columns, "problem", "model", "version"]
    rows = [dict(zip(columns, each.row(model, 2), strict=False)) for each in found]
    assert [row["label"] for row in rows] == ["dark", "none", None]
    assert [row["nearest"] for row in rows] == ["dark", "dark", None]
    logits = model.logits(np.stack([np.full((3, 2, 2), 60 / 255)]))
    assert rows[1]["score"] == pytest.approx(softmax(logits, 2.0).max())


def test_a_conformal_set_is_a_column_between_bars(tmp_path):
    model = rejecting("conformal")
    model.rejection = model.rejection.model_copy(update={"threshold": 0.3})
    paths = write_greys(tmp_path, [0, 64, 255])
    paths[2].write_bytes(b"")
    rows = [each.row(model, 1) for each in predicted(model, [Photo(p.name, p) for p in paths], 1)]
    place = table_columns(model, 1).index("label_set")
    assert table_columns(model, 1)[place - 1 : place + 2] == ["nearest", "label_set", "problem"]
    logits = model.logits(np.stack([np.full((3, 2, 2), grey / 255) for grey in (0, 64)]))
    expected = [
        " | ".join(each) for each in model.rejection.decide(logits).label_sets(model.class_names)
    ]
    assert [row[place] for row in rows] == [*expected, None]
    assert " | " in expected[1]


def test_a_wanted_accuracy_chooses_the_threshold(tmp_path):
    model = rejecting()
    points = [(0.8, 0.4), (0.95, 0.5), (0.99, 0.84)]
    chosen_for = [OperatingPoint(accuracy=a, threshold=t, accepted=0.5) for a, t in points]
    model.rejection = model.rejection.model_copy(update={"operating_points": tuple(chosen_for)})
    paths = write_greys(tmp_path, [0, 255, 50, 64])  # best scores 0.87, 0.87, 0.58 and 0.47
    photos = [Photo(path.name, path) for path in paths]
    expected = {0.7: 4, 0.8: 4, 0.9: 3, 0.95: 3, 0.96: 2}
    for wanted, labelled in expected.items():
        asked = with_accuracy(model, wanted)
        assert [each.accepted for each in predicted(asked, photos)].count(True) == labelled, wanted
    assert model.rejection.threshold == 0.6, "the model itself is as it was"
    with pytest.raises(ConfigError, match=r"fake\.grey: no threshold gives 0\.995"):
        with_accuracy(model, 0.995)
    with pytest.raises(ConfigError, match="names a class for every photo"):
        with_accuracy(GreyModel(), 0.9)
