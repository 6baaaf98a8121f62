"""Photos as features: stored with their CLIP, searched, and checked for copies and wrong labels."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from command_line import vlprompt
from curation.photos import write_shapes
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.curation.embeddings import Embeddings, embed_folder
from vlprompt_pipeline.curation.near_copies import BLOCK, near_copies
from vlprompt_pipeline.curation.nearest import nearest, query_picture, query_text
from vlprompt_pipeline.errors import DataError, WeightsError


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """A folder of two classes, a broken file and a near copy."""
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(folder)
    (folder / "square" / "broken.png").write_bytes(b"no image")
    shutil.copy(folder / "square" / "3.png", folder / "blue_disc" / "copy.png")
    return folder


@pytest.fixture(scope="module")
def embeddings(shapes) -> Embeddings:
    return embed_folder(load_clip("embedded"), shapes, lambda steps: None)


def test_features_are_those_of_the_clip_one_by_one(embeddings, shapes):
    clip = load_clip("embedded")
    assert len(embeddings.paths) == 13
    assert [path for path, _ in embeddings.problems] == ["square/broken.png"]
    assert set(embeddings.labels) == {"square", "blue disc"}
    for path, row in zip(embeddings.paths, embeddings.features, strict=True):
        np.testing.assert_allclose(row, query_picture(clip, shapes / path), atol=1e-5)
    assert embeddings.features_of(["square/2.png"])[0] @ query_picture(
        clip, shapes / "square/2.png"
    ) == pytest.approx(1, abs=1e-5)
    with pytest.raises(DataError, match=r"lost\.png is not among the photos of the features"):
        embeddings.features_of(["lost.png"])


def test_a_file_of_features_knows_its_clip(embeddings, tmp_path):
    file = tmp_path / "features.parquet"
    embeddings.save(file)
    read = Embeddings.load(file)
    assert (read.paths, read.labels, read.folder) == (
        embeddings.paths,
        embeddings.labels,
        embeddings.folder,
    )
    np.testing.assert_array_equal(read.features, embeddings.features)
    assert list(pd.read_parquet(file)) == ["path", "label", "feature"]
    assert read.load_clip().name
    with pytest.raises(WeightsError, match="is another CLIP than the one that made these"):
        replace(read, clip_identity="of another").load_clip()
    pd.DataFrame({"path": ["a"]}).to_parquet(file)
    with pytest.raises(DataError, match="vlprompt embed FOLDER --out writes such a file"):
        Embeddings.load(file)
    embeddings.save(file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({b"vlprompt": b"[]"}), file)
    with pytest.raises(DataError, match="vlprompt embed FOLDER --out writes such a file"):
        Embeddings.load(file)


def test_the_nearest_are_in_the_order_of_the_cosine(embeddings, shapes):
    clip = embeddings.load_clip()
    table = nearest(embeddings, query_picture(clip, shapes / "square/3.png"), 3)
    assert set(table["path"][:2]) == {"square/3.png", "blue_disc/copy.png"}
    assert table["cosine"].iloc[0] == pytest.approx(1, abs=1e-5)
    assert table["cosine"].is_monotonic_decreasing
    whole = nearest(embeddings, query_text(clip, "a red square"), 100)
    assert len(whole) == 13
    assert whole["label"].iloc[0] == "square"


@pytest.mark.parametrize("most", [1 << 26, 100_000, 1])
def test_near_copies_are_connected_across_blocks(monkeypatch, most):
    monkeypatch.setattr("vlprompt_pipeline.curation.near_copies._MOST_COSINES", most)
    angles = np.deg2rad([0, 90, 8, 180, 16, 91])
    near, same = np.cos(np.deg2rad([9, 0.5]))
    alone = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    whole = near_copies(alone, near)
    assert whole == [[0, 2, 4], [1, 5]], "0 and 4 are 16 degrees apart, with 2 between them"
    places = np.array([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
    features = np.zeros((2 * BLOCK + 1, 2), np.float32)  # what is like nothing stands between them
    features[places] = alone
    assert near_copies(features, near) == [places[rows].tolist() for rows in whole]
    assert near_copies(features, same) == []


def test_a_camera_that_sees_the_same_all_day_is_one_group():
    count, width, same = 1500, 64, 0.98
    draw = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    different = draw / np.linalg.norm(draw, axis=1, keepdims=True)
    began = time.perf_counter()
    assert near_copies(different, same) == []
    between = time.perf_counter()
    assert near_copies(np.full((count, width), width**-0.5, np.float32), same) == [[*range(count)]]
    assert time.perf_counter() - between < 40 * (between - began), "no step for each pair"


def test_flipped_labels_are_found():
    label_errors = pytest.importorskip("vlprompt_pipeline.curation.label_errors").label_errors
    draw = np.random.default_rng(0)
    centres = np.eye(8, dtype=np.float32)[:3]
    features = np.repeat(centres, 20, axis=0) + draw.normal(0, 0.1, (60, 8)).astype(np.float32)
    labels = [name for name in ("cat", "cow", "dog") for _ in range(20)]
    wrong = {3: "dog", 25: "cat", 59: "cow"}
    given = tuple(wrong.get(row, name) for row, name in enumerate(labels))
    paths = tuple(map(str, range(60)))
    table = label_errors(Embeddings(Path(), paths, given, features, "embedded", ""))
    doubtful = table[table["doubtful"]]
    assert set(doubtful["path"]) == set(map(str, wrong))
    suggested = dict(zip(doubtful["path"], doubtful["label"], strict=True))
    assert suggested == {str(row): labels[row] for row in wrong}
    assert len(table) == 60
    loose = Embeddings(Path(), paths, ("", "", *given[2:]), features, "embedded", "")
    assert set(label_errors(loose)["path"]) == set(paths[2:])
    lone = Embeddings(Path(), paths[:2], ("cat", "dog"), features[:2], "embedded", "")
    with pytest.raises(DataError, match="two classes with two photos each"):
        label_errors(lone)


def test_the_commands(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shapes = shutil.copytree(shapes, tmp_path / "shapes")
    shutil.copy(shapes / "square" / "3.png", shapes / "loose.png")
    said = vlprompt("embed", str(shapes), "--out", "features.parquet")
    assert "features.parquet: 14 photos" in said
    assert "left out square/broken.png: " in said
    picture = str(shapes / "square/0.png")
    found = vlprompt("nearest", "features.parquet", "--picture", picture, "--count", "2")
    assert found.splitlines()[:2] == ["path,label,cosine", "square/0.png,square,1.0000"]
    assert "either --text or --picture" in vlprompt("nearest", "features.parquet", status=2)
    pytest.importorskip("cleanlab")
    said = vlprompt("check-labels", "features.parquet", "--copies", "0.99999")
    assert (
        "near copies: loose.png, blue_disc/copy.png, square/3.png (under 2 labels: blue disc, "
        "square)" in said
    )
    assert "label_errors.csv: 1 of 13 labels are probably wrong, these first" in said
    first = pd.read_csv("label_errors.csv").iloc[0]
    assert (first["path"], first["given"], first["label"]) == (
        "blue_disc/copy.png",
        "blue disc",
        "square",
    )
