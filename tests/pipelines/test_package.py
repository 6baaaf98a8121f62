"""`kedro package`: its wheel and conf run in an empty folder, as `python -m vlprompt_pipeline`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT


def command(*words: str, folder: Path, packages: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(packages), "COLUMNS": "200"}
    environment.pop("KEDRO_LOGGING_CONFIG", None)
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """The wheel, unpacked: what `kedro package` builds, without its download of setuptools."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools builds the wheel")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("packages")
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ("pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), ".")
    built = command(*build, folder=source, packages=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def conf(tmp_path) -> Path:
    """The archive that `kedro package` puts beside the wheel."""
    path = tmp_path / "conf-vlprompt_pipeline.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(ROOT / "conf", "conf")
    return path


def test_the_wheel_runs_in_an_empty_folder_and_names_no_makefile(packages, conf, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    about = "--params=methods=zero_shot,seed=3,tracking.enabled=false"
    whole = (f"--conf-source={conf}", "--pipelines=few_shot", about)
    run = command("vlprompt_pipeline", *whole, folder=folder, packages=packages)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / "data/08_reporting/report.html").is_file()
    assert "Zero-shot CLIP" in run.stdout
    assert list(folder.glob("data/07_model_output/demo/demo_aerial/few_shot/shots*/seed3"))
    assert "make viz" not in run.stdout
    assert ".venv/bin/kedro" not in run.stdout


def test_without_conf_it_says_where_conf_comes_from(packages, tmp_path):
    run = command("vlprompt_pipeline", folder=tmp_path, packages=packages)
    assert run.returncode == 1
    assert f"Error: no configuration in {tmp_path / 'conf'}: give the one that" in run.stderr
    assert "--conf-source=conf-vlprompt_pipeline.tar.gz" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "data").exists()


def test_its_help_is_that_of_kedro_run(packages, tmp_path):
    run = command("vlprompt_pipeline", "--help", folder=tmp_path, packages=packages)
    assert "--conf-source" in run.stdout
    assert "--pipelines" in run.stdout
