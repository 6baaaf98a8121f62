"""`kedro run --env=miniature`: each published dataset in its real layout, from folder to report."""

from __future__ import annotations

import json

import click
import pandas as pd
import pytest
from kedro.framework.session import KedroSession

from pipelines.project import Project
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    build_index,
    get_image_dataset,
    list_image_datasets,
)
from vlprompt_pipeline.image_datasets.miniatures.writer import make_miniature

NAMES = [dataset.name for dataset in list_image_datasets() if dataset.make is None]
TRAINABLE = [name for name in NAMES if get_image_dataset(name).shift_of is None]
QUIET = {
    "device": "cpu",
    "tracking": {"enabled": False},
    "recipes": {"coop": {"training": {"epochs": 3}}},
}


def session(project: Project, **params: object) -> KedroSession:
    project.bootstrap()
    return KedroSession.create(project.root, env="miniature", runtime_params={**QUIET, **params})


@pytest.mark.parametrize("name", NAMES)
def test_the_walk(name, project):
    """From the folder to a score; what is for testing only with prompts of ImageNet."""
    cell = f"demo/miniature_{name}/base_to_new/shots4/seed1"
    params = {"dataset": name}
    if name not in TRAINABLE:
        cell = "demo/miniature_imagenet/domain_generalisation/shots4/seed1"
        params = {
            "dataset": "imagenet",
            "protocol": "domain_generalisation",
            "domain_generalisation": {"targets": name},
        }
    with session(project, **params) as running:
        running.run(pipeline_names=["cell"])
    form = get_image_dataset(name).miniature
    classes, per_class = len(form.classes), form.per_class
    primary = project.data / f"03_primary/miniature_{name}"
    check = json.loads((primary / "image_check.json").read_text())
    assert check["found"] == {p: classes * n for p, n in per_class._asdict().items()}
    features = project.json("04_feature", "test_features.json", f"demo/miniature_{name}")
    assert features["images"] == classes * per_class.test
    index = pd.read_parquet(primary / "image_index.parquet")
    assert set(index["source"]) == {f"miniature_{name}"}
    for method in ("zero_shot", "coop", "qcoop"):
        if name in TRAINABLE:
            metrics = project.json("07_model_output", f"{method}/metrics.json", cell)
            total = metrics["base"]["total"] + metrics["new"]["total"]
        else:
            scored = f"{method}/targets/miniature_{name}/metrics.json"
            metrics = project.json("07_model_output", scored, cell)
            total = metrics["target"]["total"]
        assert total == classes * per_class.test
    assert not (project.data / f"03_primary/{name}").exists(), "a miniature under a real name"


def test_what_is_for_testing_only_is_not_trained_on(project):
    message = "^miniature_imagenet_a has no training images, it is for testing only"
    with (
        session(project, dataset="imagenet_a") as running,
        pytest.raises(click.ClickException, match=message),
    ):
        running.run()


def test_the_data_check_of_miniatures(project):
    with session(project, dataset="dtd") as running:
        running.run(pipeline_names=["data_preparation"])
    with session(project) as running:
        running.run(pipeline_names=["data_check"])
    report = json.loads((project.data / "08_reporting/data_check.json").read_text())
    states = {found["dataset"]: found["state"] for found in report["datasets"]}
    assert list(states) == [dataset.name for dataset in list_image_datasets("miniature_")]
    assert {name for name, state in states.items() if state == "ready"} == {"miniature_dtd"}


def test_no_published_dataset_is_without_a_miniature():
    miniatures = {dataset.name for dataset in list_image_datasets("miniature_")}
    assert miniatures == {f"miniature_{name}" for name in NAMES}
    assert len(NAMES) == 15
    assert not miniatures & set(IMAGE_DATASETS)


def test_a_real_folder_is_never_written_over(tmp_path):
    (tmp_path / "caltech-101").mkdir()
    (tmp_path / "caltech-101" / "mine.jpg").write_bytes(b"1")
    with pytest.raises(
        DataError, match="caltech-101 is there and was not made here, and is left as"
    ):
        build_index("miniature_caltech101", tmp_path)
    assert [file.name for file in tmp_path.rglob("*")] == ["caltech-101", "mine.jpg"]


def test_a_miniature_is_made_once_and_of_the_same_bytes(tmp_path):
    folders = [
        make_miniature(get_image_dataset("sun397"), tmp_path / place) for place in ("one", "two")
    ]
    contents = [
        {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        for folder in folders
    ]
    assert contents[0] == contents[1]
    assert {"split_zhou_SUN397.json", "Testing_01.txt", "miniature.json"} < set(contents[0])
    before = (folders[0] / "Testing_01.txt").stat().st_mtime_ns
    make_miniature(get_image_dataset("sun397"), tmp_path / "one")
    assert (folders[0] / "Testing_01.txt").stat().st_mtime_ns == before
    (folders[0] / "miniature.json").write_text('{"name": "sun397", "version": 0}')
    make_miniature(get_image_dataset("sun397"), tmp_path / "one")
    assert (folders[0] / "Testing_01.txt").stat().st_mtime_ns > before
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["sun397"]


@pytest.mark.parametrize("what", ["*.jpg", "Testing_01.txt"])
def test_a_changed_miniature_is_made_again(tmp_path, caplog, what):
    folder = make_miniature(get_image_dataset("sun397"), tmp_path)
    path = sorted(folder.rglob(what))[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    make_miniature(get_image_dataset("sun397"), tmp_path)
    assert path.read_bytes() == content
    assert str(path) in caplog.text


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "root").write_text("in the way")
    with pytest.raises(DataError, match="cannot write the pictures of dtd to .*dtd: "):
        make_miniature(get_image_dataset("dtd"), tmp_path / "root")
