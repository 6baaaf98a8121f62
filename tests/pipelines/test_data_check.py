"""`kedro run --pipelines=data_check`: one report over all datasets, whatever is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_datasets.miniatures import write_miniature
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS, fingerprints, list_image_datasets

NAMES = [dataset.name for dataset in list_image_datasets()]


@pytest.fixture
def checked(project, monkeypatch, capsys) -> tuple[dict, str]:
    """Report and terminal: a good dataset, one with a broken and a strange image, one spoilt."""
    root = project.data / "01_raw"
    for name in ("imagenet", "eurosat", "dtd"):
        monkeypatch.setitem(IMAGE_DATASETS, name, write_miniature(root, name))
    image = next((root / "imagenet/images/train").rglob("*.JPEG"))
    image.with_name("[bold] line.JPEG").write_bytes(image.read_bytes()[:300])
    image.unlink()
    (root / "eurosat/split_zhou_EuroSAT.json").write_text("<html>404</html>")
    project.run({"shots": 1}, stages=("data_check",))
    report = json.loads((project.data / "08_reporting/data_check.json").read_text())
    return report, capsys.readouterr().out


def by_name(report: dict) -> dict[str, dict]:
    return {found["dataset"]: found for found in report["datasets"]}


def test_every_dataset_is_in_the_report(checked, project):
    report, _ = checked
    assert list(by_name(report)) == NAMES
    assert Path(report["dataset_root"]) == project.data / "01_raw"
    states = {name: found["state"] for name, found in by_name(report).items()}
    there = {name: state for name, state in states.items() if state != "absent"}
    assert there == {"imagenet": "faulty", "eurosat": "faulty", "dtd": "faulty"}


def test_what_is_wrong_is_named(checked):
    report, _ = checked
    found = by_name(report)
    (fault,) = found["imagenet"]["faults"]
    assert [Path(path).name for path, _ in fault["unreadable"]] == ["[bold] line.JPEG"]
    assert found["imagenet"]["few_shot_digest"]["val"]
    assert "is not JSON" in found["eurosat"]["to_do"]
    assert found["dtd"]["classes"] == IMAGE_DATASETS["dtd"].classes
    assert found["dtd"]["split_check"] == "counts"
    assert found["dtd"]["few_shot_published"] is False


def test_the_terminal_has_a_row_a_dataset_and_what_to_do(checked):
    _, text = checked
    lines = text.splitlines()
    first_words = [(line.split() or [""])[0] for line in lines]
    assert [word for word in first_words if word in IMAGE_DATASETS] == NAMES
    assert "3 of 26 found" in text
    assert "! eurosat: split file " in text
    assert "[bold] line.JPEG" in text
    assert "dataset=sun397`, or get it from https://vision.princeton.edu" in text
    assert "data/08_reporting/data_check.json" in text


def test_it_draws_nothing(checked, project):
    assert not list((project.data / "01_raw").glob("demo_*"))


def test_a_second_time_and_a_root_that_is_not_there(checked, project, capsys):
    project.run({"shots": 1}, stages=("data_check",))
    again = json.loads((project.data / "08_reporting/data_check.json").read_text())
    assert again == checked[0]
    project.run({"dataset_root": "nowhere"}, stages=("data_check",))
    report = json.loads((project.data / "08_reporting/data_check.json").read_text())
    assert {found["state"] for found in report["datasets"]} == {"absent"}
    assert "/nowhere, which is no folder: 0 of 26 found" in capsys.readouterr().out


def test_all_contents_are_read_where_it_is_asked_for(project, monkeypatch):
    """On a disk that keeps no times, a large dataset with one picture changed in its place."""
    root = project.data / "01_raw"
    monkeypatch.setattr(fingerprints, "MAX_HASHED", 0)
    monkeypatch.setattr(
        fingerprints, "_by_stat", lambda folder, path: f"{(folder / path).stat().st_size}:{path}"
    )
    monkeypatch.setitem(IMAGE_DATASETS, "imagenet", write_miniature(root, "imagenet"))

    def check(contents: bool) -> dict:
        params = {"shots": 1, "data_check": {"contents": contents}}
        project.run(params, stages=("data_check",))
        report = json.loads((project.data / "08_reporting/data_check.json").read_text())
        return by_name(report)["imagenet"]

    sound = check(contents=False)
    assert check(contents=True) == sound
    image = sorted((root / "imagenet/images/train").rglob("*.JPEG"))[0]
    content = image.read_bytes()
    image.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    assert check(contents=False) == sound
    (fault,) = check(contents=True)["faults"]
    ((path, reason),) = fault["unreadable"]
    assert path.endswith(image.name)
    assert reason.startswith("other content than at the last check")
