"""Kedro's three runners leave the same files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import torch
from kedro.runner import ThreadRunner

from pipelines.project import CELL, QUICK, ROOT, Project


def run_in_processes(project: Project, params: dict) -> subprocess.CompletedProcess[str]:
    """`kedro run --runner=ParallelRunner`, with the miniature, in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")]),
        "KEDRO_MP_CONTEXT": "fork",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # the last bits depend on it
    }
    return subprocess.run(
        [sys.executable, "-m", "pipelines.project", str(project.root), json.dumps(params)],
        env=environment,
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_threads_and_processes_give_the_files_of_a_sequential_run(finished, tmp_path):
    threads, processes = (Project.create(tmp_path / kind) for kind in ("threads", "processes"))
    for project in (threads, processes):
        shutil.copytree(finished.data / "01_raw", project.data / "01_raw")
    threads.run(report=True, runner=ThreadRunner())
    done = run_in_processes(processes, {})
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stdout + done.stderr
    expected = finished.files()
    for project in (threads, processes):
        found = project.files()
        assert set(found) == set(expected)
        assert [name for name in expected if found[name] != expected[name]] == []
    for method in QUICK["methods"]:
        measured = [how_it_was_made(project, method) for project in (finished, threads, processes)]
        runners = [run["runner"] for run in measured]
        assert runners == ["SequentialRunner", "ThreadRunner", "ParallelRunner"]
        for run in measured[:2]:
            assert run["nodes"].keys() >= {"data.index_images", f"methods.{method}.train_{method}"}
            assert 0 < max(run["nodes"].values()) <= run["seconds"]
        assert measured[2]["nodes"] is None, "workers do not tell"
        assert min(run["cpu_seconds"] for run in measured) > 0


def how_it_was_made(project: Project, method: str) -> dict:
    """The only run in the reproducibility record of a method."""
    folder = f"08_reporting/reproducibility/{CELL}/{method}"
    (run,) = project.json(folder, "reproducibility.json", "")["runs"]
    return run


def test_a_refusal_keeps_its_sentence_in_threads(project):
    sentence = project.refusal({"shots": 6}, runner=ThreadRunner())
    assert "the largest number of shots that works is 5" in sentence


def test_a_refusal_keeps_its_sentence_in_processes(project):
    """A dataset's error loses its cause on the way out of a worker."""
    done = run_in_processes(project, {"clip": {"source": "local-dir:gone"}})
    assert done.returncode != 0
    last = " ".join(done.stderr[done.stderr.rindex("ClickException:") :].split())
    assert "it should hold open_clip_config.json and open_clip_model.safetensors" in last
    assert not (project.data / "06_models").exists()
