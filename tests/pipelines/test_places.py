"""A run and a sweep whose data lies in a bucket, on machines that share nothing else."""

from __future__ import annotations

import re

from pipelines.project import DATASET, QUICK, Project
from vlprompt_pipeline.filesystem import objects
from vlprompt_pipeline.filesystem.places import local
from vlprompt_pipeline.sweep import Options, grid, run_cells
from vlprompt_pipeline.sweep.plan import plan

_STAYS = {"checkpoints", "01_raw", ".manifests", "locks", "reproducibility"}


def test_a_bucket_gets_the_bytes_of_a_disk_and_a_second_machine_finds_them(
    finished, bucket, machine, tmp_path, monkeypatch, capsys
):
    """Training states and photos stay with a machine; records of a run have its times."""
    place = {"data_root": f"{bucket}/paper"}
    project = Project.create(tmp_path / "one")
    project.run(place, report=True)
    (page,) = re.findall(r"^ *report: (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert page == str(local(f"{bucket}/paper/08_reporting/report.html")), "as it is opened"
    urls = [u for u in objects.listed(f"{bucket}/paper") if not _STAYS & set(u.split("/"))]
    made = {url.removeprefix(f"{bucket}/paper/"): objects.read(url) for url in urls}
    here = {name: data for name, data in finished.files().items() if "/checkpoints/" not in name}
    assert made == here
    left = {path.relative_to(project.data).parts[0] for path in project.data.rglob("*.*")}
    assert left == {"01_raw", "06_models"}
    assert not list(project.data.rglob("prompt.*"))
    assert len(list(project.data.rglob("checkpoints/*.safetensors"))) == 2

    machine("second")
    second = Project.create(tmp_path / "two")
    second.bootstrap()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = {**QUICK, **place}
    assert [each.why_due() for each in plan(grid(seed=[1]), second.root, None, params)] == [""]
    assert not list((tmp_path / "caches/second").rglob("prompt.safetensors")), "is not needed"
    before = {url: objects.listed(f"{bucket}/paper")[url]["ETag"] for url in urls}
    params["tracking"] = {"enabled": True}
    counts = run_cells(grid(seed=[1]), second.root, None, params, Options(report=False)).counts
    assert counts == {"finished": 1}, "is logged to MLflow"
    assert not list(second.data.rglob("checkpoints/*")), "and not trained"
    after = objects.listed(f"{bucket}/paper")
    changed = {url.rpartition("paper/")[2] for url in urls if after[url]["ETag"] != before[url]}
    assert all(name.startswith("08_reporting/completion/") for name in changed), changed
    assert len(changed) == 3, "which MLflow has now"


def test_photos_in_a_bucket_are_indexed_as_those_on_a_disk(finished, bucket, machine, tmp_path):
    photos = finished.data / "01_raw" / DATASET
    for path in photos.rglob("*"):
        if path.is_file():
            url = f"{bucket}/photos/{path.relative_to(photos.parent).as_posix()}"
            objects.put(url, path.read_bytes())
    project = Project.create(tmp_path / "project")
    project.run({"dataset_root": f"{bucket}/photos"}, stages=("data_preparation",))
    index = f"03_primary/{DATASET}/image_index.parquet"
    assert (project.data / index).read_bytes() == (finished.data / index).read_bytes()
    assert not (project.data / "01_raw" / DATASET).exists()
    folder = project.json("02_intermediate", "dataset_card.json", DATASET)["folder"]
    assert folder.startswith(f"{bucket}/photos/{DATASET}")
    said = project.refusal({"dataset_root": f"{bucket}-gone/photos"})
    assert said.startswith(f"there is no bucket {bucket}-gone: make it")
    said = project.refusal({"dataset_root": f"{bucket}/photos"}, stages=("few_shot_sets",))
    assert "few_shot_sets needs photos in a folder" in said
