"""`kedro run --pipelines=few_shot_sets`: all sets at once, where one at a time would lie."""

from __future__ import annotations

import json
import shutil

import pytest

from image_datasets.miniatures import write_miniature
from pipelines.project import Project
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

SETS = ("few_shot_sets",)


@pytest.fixture
def drawn(project, monkeypatch) -> Project:
    """ImageNet whole, a split file without images, another that is none, one for testing only."""
    root = project.data / "01_raw"
    for name in ("imagenet", "imagenet_a", "dtd", "eurosat"):
        monkeypatch.setitem(IMAGE_DATASETS, name, write_miniature(root, name))
    shutil.rmtree(root / "dtd/images")
    (root / "eurosat/split_zhou_EuroSAT.json").write_text("{}")
    project.run(stages=SETS)
    return project


def said(capsys) -> str:
    """What was logged, its lines joined."""
    return " ".join(capsys.readouterr().out.split())


def test_one_set_a_shots_and_seed(drawn, capsys):
    folder = drawn.data / "05_model_input"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    grid = [("imagenet", shots) for shots in (1, 2, 4, 8, 16)]
    grid += [("dtd", shots) for shots in (1, 2, 4)]  # it has six training images a class
    assert found == {
        f"{name}/shots{shots}/seed{seed}/few_shot_set.json"
        for name, shots in grid
        for seed in (1, 2, 3)
    }
    drawn.run(stages=SETS)
    logged = said(capsys)
    assert "imagenet: 15 few-shot sets" in logged
    assert "dtd with 8 shots is left out: 4 of the 4 classes of dtd have fewer" in logged
    assert "eurosat is left out: split file" in logged
    assert "imagenet_a" not in logged


def test_they_are_the_bytes_of_a_run(drawn):
    path = drawn.data / "05_model_input/imagenet/shots4/seed1/few_shot_set.json"
    before = path.read_bytes()
    path.unlink()
    stages = ("data_preparation", "few_shot_sampling")
    drawn.run({"dataset": "imagenet", "shots": 4, "seed": 1}, stages=stages)
    assert path.read_bytes() == before
    stored = json.loads(before)
    assert all(path.startswith("train/n") for path, _ in stored["train"])
    assert len(stored["split_sha256"]) == 64


def test_nothing_to_draw_from(project):
    message = project.refusal(stages=SETS)
    assert message.startswith(f"no few-shot set can be drawn from what is under {project.data}")


def test_another_split_than_the_official_one_gives_no_set(project, capsys):
    write_miniature(project.data / "01_raw", "dtd")
    project.refusal(stages=SETS)
    logged = said(capsys)
    assert "dtd is left out: split file" in logged
    assert "is not the official one of dtd" in logged
