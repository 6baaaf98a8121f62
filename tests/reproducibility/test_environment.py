"""What is said of code, versions and machine, and that none of it can fail a run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch

from vlprompt_pipeline.hooks.reproducibility import ReproducibilityHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.reproducibility.environment import Code, code_state, environment
from vlprompt_pipeline.reproducibility.usage import Clock


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A committed package in a checkout of its own."""
    folder = tmp_path / "checkout" / "src" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    git(tmp_path / "checkout", "init", "-q")
    git(tmp_path / "checkout", "add", "-A")
    git(tmp_path / "checkout", "commit", "-qm", "first")
    return folder


def test_a_clean_checkout_has_its_commit(package):
    assert code_state(package) == Code(commit=git(package, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_and_a_new_file_make_it_dirty(package):
    (package / "__init__.py").write_text("changed = True")
    (package.parents[1] / "new file.py").write_text("")
    state = code_state(package)
    assert state.dirty
    assert state.changed == ("src/package/__init__.py", "new file.py")


def test_a_name_that_is_no_text_is_no_fault(package):
    (Path(os.fsdecode(os.fsencode(package) + b"/caf\xe9.py"))).write_text("")
    assert code_state(package).changed == ("src/package/caf\ufffd.py",)


def test_an_environment_inside_a_checkout_is_not_its_code(package):
    installed = package.parents[1] / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    state = code_state(installed)
    assert state.commit is None
    assert state.remark.startswith("not in a git checkout (")


def test_outside_of_git_and_without_git_it_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert code_state(tmp_path).remark.startswith("not in a git checkout (")
    monkeypatch.setenv("PATH", "")
    code_state.cache_clear()
    assert code_state(tmp_path) == Code(remark="git is not installed")


def test_it_is_of_this_process():
    found = environment()
    assert found.versions["torch"] == torch.__version__
    assert found.versions["numpy"] == numpy.__version__
    assert {"python", "open_clip_torch", "kedro", "mlflow", "pillow"} <= set(found.versions)
    assert found.computing.threads == torch.get_num_threads()
    assert 1 <= found.hardware.usable_cores <= (os.cpu_count() or 1)
    assert found.hardware.memory_bytes > 1 << 28
    assert found.hardware.cpu


def test_the_clock_counts_work_of_this_process_and_of_its_children():
    clock = Clock.start()
    busy = "sum(i * i for i in range(3_000_000))"
    subprocess.run(["python3", "-c", busy], check=True)
    cost = clock.stop()
    assert 0.05 < cost["cpu_seconds"] < 10 * cost["seconds"]
    assert cost["started"] < cost["ended"]
    assert cost["peak_memory_bytes"] > 1 << 26


def test_the_commit_of_a_record_is_that_at_the_start_of_the_run():
    code_state.cache_clear()
    hook = ReproducibilityHook(StepHook())
    hook.before_pipeline_run(SimpleNamespace(all_outputs=lambda: {"results_table"}))
    assert code_state.cache_info().currsize == 0, "a report has no record"
    hook.before_pipeline_run(SimpleNamespace(all_outputs=lambda: {"coop.prompt"}))
    assert code_state.cache_info().currsize == 1
