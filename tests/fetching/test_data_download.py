"""`kedro run --pipelines=data_download` against a stand-in for the hub on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fetching.broken_archives import make_zip
from fetching.stub import Answer, File, serving_files
from fresh_python import printed
from image_datasets.miniatures import write_miniature
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets import build_index
from vlprompt_pipeline.image_datasets.download_recipe import BUNDLE

RUN = """
import sys
from pathlib import Path
import click
from image_datasets.miniatures import write_miniature
from pipelines.project import Project
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

root, scratch = map(Path, sys.argv[1:])
IMAGE_DATASETS["dtd"] = write_miniature(scratch, "dtd")
project = Project.create(root)
try:
    for stage in ("data_download", "data_download", "data_preparation"):
        project.run({"dataset": "dtd"}, stages=(stage,))
except click.ClickException as error:
    print("refused:", error.message)
"""


def run(tmp_path: Path, endpoint: str) -> str:
    """What a fresh process prints; the endpoint is read at import."""
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub")}
    said = printed(RUN, tmp_path / "project", tmp_path / "scratch", cwd=tmp_path, **hub)
    return " ".join(said.split())


@pytest.fixture
def bundled(tmp_path: Path) -> bytes:
    folder = tmp_path / "original" / "dtd"
    write_miniature(tmp_path / "original", "dtd")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return make_zip(*((f"dtd/{p.relative_to(folder)}", p.read_bytes()) for p in files))


def test_a_bundle_of_the_hub_becomes_a_dataset_that_is_indexed(tmp_path, bundled):
    file = File(bundled, answers=[Answer(cut=len(bundled) // 2), Answer()])
    with serving_files({f"/{BUNDLE}/resolve/main/dtd.zip": file}) as endpoint:
        printed = run(tmp_path, endpoint)
    project = tmp_path / "project"
    dataset = write_miniature(tmp_path / "scratch", "dtd")
    index = build_index(dataset, project / "data" / "01_raw")
    assert len(index.table) == 56
    assert len(file.asked) == 2  # cut once, continued once; the second run asks nobody
    assert "is whole and left as it is: 56 images" in printed
    record = json.loads((project / "data/01_raw/download_records/dtd.json").read_text())
    assert (record["dataset"], record["images"]) == ("dtd", 56)
    assert (project / "data/02_intermediate/dtd/raw_index.parquet").is_file()
    (note,) = (project / "data/01_raw/.downloads").glob("*.seen.json")
    seen = json.loads(note.read_text())
    (tmp_path / "bundle.zip").write_bytes(bundled)
    assert seen["sha256"] == sha256_file(tmp_path / "bundle.zip")


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path):
    code = """
from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching.hub import hub_file
try:
    hub_file("someone/tiny", "dtd.zip")
except FetchError as error:
    print(error)
"""
    said = printed(code, HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9")
    assert said.startswith("the hub did not give dtd.zip of someone/tiny (")
    assert said.count("\n") == 1
