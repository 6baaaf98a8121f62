"""Cells of a sweep that fail: which are tried again, and what is told."""

from __future__ import annotations

import errno

import click
import pytest

from pipelines.project import DATASET
from pipelines.sweeps import Faults, sweep
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.sweep import Options


def test_a_failing_cell_leaves_the_others(project):
    project.bootstrap()
    with pytest.raises(click.ClickException) as caught:
        sweep(project, shots=[6, 4])
    told = caught.value.message
    assert told.startswith("1 of 2 cells failed, the others are finished:\n")
    assert "fewer training images than the 6 shots" in told
    command = f"again: kedro sweep --protocols=base_to_new --datasets={DATASET} --shots=6 --seeds=1"
    assert command in told
    assert project.path("07_model_output", "zero_shot/metrics.json").is_file()


def test_what_fails_alike_has_its_sentence_once(project, capsys):
    project.bootstrap()
    with pytest.raises(click.ClickException, match="2 of 2 cells failed") as caught:
        sweep(project, shots=[6], seed=[1, 2])
    for told in (caught.value.message, capsys.readouterr().err):
        assert told.count("fewer training images than the 6 shots") == 1
    first, second = (line.strip() for line in caught.value.message.splitlines()[1::3])
    assert f"  {second}\n    as {first}\n    again: " in caught.value.message


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_and_a_fault_are_tried_again(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, full_disk(), ZeroDivisionError("a fault"))
    watch = sweep(project, options=Options(report=False), seed=[1])
    assert (watch.counts, len(faults.params)) == ({"finished": 1}, 3)


def test_a_refusal_is_not_tried_again_and_fail_fast_ends(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, ConfigError("no such thing"))
    with pytest.raises(click.ClickException, match="1 of 3 cells failed"):
        sweep(project, options=Options(report=False), seed=[1, 2, 3])
    assert len(faults.params) == 3
    faults = Faults(monkeypatch, ConfigError("no such thing"))
    with pytest.raises(click.ClickException, match="no such thing") as caught:
        sweep(project, options=Options(fail_fast=True), seed=[1, 2, 3])
    assert caught.value.message.startswith("1 of 3 cells failed, of the others 0 are finished:\n")
    assert len(faults.params) == 1


def test_out_of_memory_is_tried_again_with_fewer_activations(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, MemoryError(), RuntimeError("CUDA out of memory. Tried"))
    watch = sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])
    assert watch.counts["finished"] == 1
    kept = [each["recipes"]["coop"]["training"].get("memory_gb") for each in faults.params]
    assert kept == [None, 1.0, 0.5]
    (project.root / "conf/local/parameters.yml").write_text(
        "recipes: {coop: {training: {memory_gb: 0.5}}}\n"
    )
    faults = Faults(monkeypatch, MemoryError())
    sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])
    assert faults.params[1]["recipes"]["coop"]["training"]["memory_gb"] == 0.25, "of the configured"
    faults = Faults(monkeypatch, *[MemoryError()] * 9)
    with pytest.raises(click.ClickException, match="ran out of memory in 4 tries"):
        sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])


def test_fewer_activations_leave_the_same_prompt(project, finished):
    recipes = {"coop": {"training": {"memory_gb": 0.5}}}
    project.run({"methods": ["coop"], "recipes": recipes})
    for name in ("prompt.safetensors", "prompt.vlp"):
        ours, theirs = (each.path("06_models", f"coop/{name}") for each in (project, finished))
        assert ours.read_bytes() == theirs.read_bytes()


def test_ctrl_c_keeps_what_is_finished(project, monkeypatch, capsys):
    project.bootstrap()
    Faults(monkeypatch, None, KeyboardInterrupt())
    with pytest.raises(click.exceptions.Exit) as caught:
        sweep(project, options=Options(report=False), seed=[1, 2, 3])
    assert caught.value.exit_code == 130
    assert "stopped: 1 of 3 cells are finished and kept" in capsys.readouterr().err
