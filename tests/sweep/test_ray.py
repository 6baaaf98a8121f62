"""Jobs as tasks of Ray: workers that die, faults of every kind, limits of the driver."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click
import pytest

from servers import free_port
from sweep import cells as fake
from sweep.cells import KINDS, cells
from vlprompt_pipeline.sweep.engines import RAY_NEEDED, RayEngine, Resources
from vlprompt_pipeline.sweep.schedule import hand_out
from vlprompt_pipeline.sweep.watch import Watch


@pytest.fixture
def engine(ray_address):
    """A maker of engines on the session's Ray."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(fake)  # the workers know nothing of the tests

    def make(retries: int) -> RayEngine:
        return RayEngine(Resources(retries=retries, address=ray_address), fake.run_cell)

    return make


def chaos(folder: Path, number: int, faulty: int, seed: int) -> tuple[list, Counter]:
    """Cells of which some fail at their first tries, and how often each kind of fault comes."""
    chance = random.Random(seed)
    sys.stdout.write(f"seed of the faults: {seed}\n")
    kinds = [KINDS[n % len(KINDS)] for n in range(faulty)]
    chance.shuffle(kinds)
    names = chance.sample([f"cell {n}" for n in range(number)], faulty)
    faults = {name: [kind] for name, kind in zip(names, kinds, strict=True)}
    return cells(folder, number, 9, faults), Counter(kinds)


def require_every_cell_once(folder: Path, number: int, refused: int) -> None:
    """Whole results, each of its own cell, and nothing half made."""
    results = {path.stem: path.read_text() for path in folder.glob("*.result")}
    assert len(results) == number - refused
    assert all(text == name.replace("cell", "cell ") for name, text in results.items())
    assert not list(folder.glob(".*.partial"))
    assert not list(folder.glob("*.running"))


@pytest.mark.parametrize(
    ("number", "faulty", "seed"),
    [(36, 12, 1), pytest.param(300, 100, 2, marks=pytest.mark.long)],
)
def test_faults_of_every_kind_leave_every_cell_finished_once(
    number, faulty, seed, engine, tmp_path, monkeypatch
):
    monkeypatch.setattr("vlprompt_pipeline.sweep.schedule.sleep", lambda seconds: None)
    jobs, kinds = chaos(tmp_path, number, faulty, seed)
    assert set(kinds) == set(KINDS), "every kind happens"
    watch = Watch(number)
    hand_out(jobs, engine(3), watch, lambda job: job)
    refused = kinds["refused"]
    assert watch.counts == {"finished": number - refused, "failed": refused}
    assert {sentence for _, sentence in watch.failures} == {"wrong input"}
    require_every_cell_once(tmp_path, number, refused)


def test_what_nobody_foresaw_is_told_and_is_no_death(engine, tmp_path):
    watch = Watch(1)
    hand_out(cells(tmp_path, 1, 1, {"cell 0": ["unforeseen"]}), engine(3), watch, lambda job: job)
    assert [sentence for _, sentence in watch.failures] == ["OSError: no such project here"]


def test_workers_without_retries_do_not_stand_it(engine, tmp_path):
    jobs = cells(tmp_path, 4, 4, {"cell 0": ["killed"], "cell 1": ["raised"]})
    watch = Watch(4)
    hand_out(jobs, engine(0), watch, lambda job: job)
    told = {job.name: sentence for job, sentence in watch.failures}
    assert set(told) == {"cell 0", "cell 1"}
    assert told["cell 0"].startswith("its worker died in each of 1 tries")
    assert told["cell 1"] == "a fault that nobody foresaw"
    assert watch.counts["finished"] == 2, "the rest goes on"


def test_more_memory_than_any_node_has_is_not_waited_for(engine, tmp_path):
    """As is asked for after a cell ran out of memory twice on a machine with little of it."""
    ray = engine(0)
    (job,) = cells(tmp_path, 1, 1, {})
    ray.start(replace(job, memory_gb=1e4))
    ended = [each for _ in range(60) for each in ray.ended()]
    assert [outcome.status for _, outcome in ended] == ["finished"]


@pytest.mark.parametrize(
    ("gpus", "sentence"),
    [
        (0.25, "--gpus-per-cell=0.25: this machine has 0 GPUs; leave it out, or join a cluster"),
        (1.5, "--gpus-per-cell=1.5: give a part of one GPU, or a whole number of them"),
    ],
)
def test_gpus_that_no_worker_gets_are_refused_before_ray_waits_for_them(
    gpus, sentence, monkeypatch
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(click.ClickException) as caught:
        RayEngine(Resources(gpus=gpus))
    assert caught.value.message.startswith(sentence)


def test_without_ray_a_sentence_says_what_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(click.ClickException) as caught:
        RayEngine(Resources())
    assert caught.value.message == RAY_NEEDED


def test_an_address_where_nobody_listens_is_refused_before_ray_waits_for_it():
    pytest.importorskip("ray")
    with pytest.raises(click.ClickException, match="does not answer .*refused.*; start it with"):
        RayEngine(Resources(address=f"127.0.0.1:{free_port()}"))
