"""The order of jobs, and what becomes of those that end in any way: without Ray."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import click
import pytest

from sweep.cells import cells, run_cell
from vlprompt_pipeline.errors import TrackingError
from vlprompt_pipeline.hooks.errors import ErrorHook, causes, one_sentence
from vlprompt_pipeline.sweep.engines import LocalEngine
from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.schedule import Schedule, hand_out
from vlprompt_pipeline.sweep.watch import Watch, as_time


def job(name: str, group: str, after: str = "", kind: str = "cell") -> Job:
    return Job(name, ".", {}, group=group, after=after, kind=kind)


def drain(schedule: Schedule) -> list[str]:
    """Names of all that can be taken now."""
    taken = []
    while (each := schedule.take()) is not None:
        taken.append(each.name)
    return taken


def test_groups_take_turns_and_no_two_of_one_run_at_once():
    jobs = [job(f"{group}{n}", group) for group in "ab" for n in (1, 2)]
    schedule = Schedule(jobs)
    assert drain(schedule) == ["a1", "b1"]
    schedule.ended(jobs[2])
    assert drain(schedule) == ["b2"]
    schedule.ended(jobs[0])
    assert drain(schedule) == ["a2"]
    assert schedule.waiting == 0


def test_what_is_shared_goes_first_and_only_its_own_cells_wait_for_it():
    flags, counts = (job(name, "shared", kind="shared") for name in ("flags", "counts"))
    schedule = Schedule(
        [flags, counts, job("f", "f", "flags"), job("c", "c", "counts"), job("both", "f", "counts")]
    )
    assert drain(schedule) == ["flags"], "shared jobs run one after the other"
    schedule.ended(flags)
    assert drain(schedule) == ["counts"], "the group f has a cell that needs both"
    schedule.ended(counts)
    assert sorted(drain(schedule)) == ["c", "f"]


def test_a_job_that_is_put_back_comes_after_the_others_of_its_group():
    first, second = job("first", "g"), job("second", "g")
    schedule = Schedule([first, second])
    assert schedule.take() is first
    schedule.again(first)
    assert drain(schedule) == ["second"]
    schedule.ended(second)
    assert drain(schedule) == ["first"]


def test_less_memory_is_half_of_the_activations_and_twice_what_is_asked_for():
    given = {"recipes": {"coop": {"training": {"epochs": 3}}, "rlp": {"prompt": {}}}}
    asked = replace(job("cell", "g"), params=given, trained={"coop": None, "qcoop": 0.0})
    once = asked.with_less_memory()
    twice = once.with_less_memory()
    assert once.params["recipes"] == {
        "coop": {"training": {"epochs": 3, "memory_gb": 1.0}},
        "qcoop": {"training": {"memory_gb": 0.0}},
        "rlp": {"prompt": {}},
    }
    assert twice.params["recipes"]["coop"]["training"] == {"epochs": 3, "memory_gb": 0.5}
    assert (once.memory_gb, twice.memory_gb, twice.attempt) == (4.0, 8.0, 2)
    assert given == {"recipes": {"coop": {"training": {"epochs": 3}}, "rlp": {"prompt": {}}}}


def test_every_cell_ends_once_whatever_happens(tmp_path, monkeypatch):
    monkeypatch.setattr("vlprompt_pipeline.sweep.schedule.sleep", lambda seconds: None)
    chance = random.Random(0)
    kinds = ["memory", "raised", "disk", "busy"]
    faults = {f"cell {n}": chance.sample(kinds, 2) for n in range(0, 40, 2)}
    faults["cell 1"] = ["refused"]
    watch = Watch(40)
    hand_out(cells(tmp_path, 40, 7, faults), LocalEngine(3, run_cell), watch, lambda job: job)
    assert watch.counts == {"finished": 39, "failed": 1}
    assert [(job.name, sentence) for job, sentence in watch.failures] == [("cell 1", "wrong input")]
    assert len(list(tmp_path.glob("*.result"))) == 39
    assert (watch.running, watch.done) == (0, 39)


def test_what_others_run_is_looked_at_less_and_less_often(monkeypatch):
    pauses = []
    monkeypatch.setattr("vlprompt_pipeline.sweep.schedule.sleep", pauses.append)
    outcomes = iter([*["busy"] * 30, "finished", "busy", "finished"])
    engine = LocalEngine(0, lambda job: Outcome(next(outcomes)))
    hand_out([job("a", "a"), job("b", "b")], engine, Watch(2), lambda job: job)
    assert pauses == [min(0.5 * looks, 10) for looks in range(1, 31)] + [0.5]


def test_without_retries_a_fault_is_a_failure(tmp_path):
    watch = Watch(2)
    jobs = cells(tmp_path, 2, 2, {"cell 0": ["disk"]})
    hand_out(jobs, LocalEngine(0, run_cell), watch, lambda job: job)
    assert watch.counts == {"finished": 1, "failed": 1}


def test_out_of_memory_ends_as_a_failure_after_four_tries(tmp_path):
    watch = Watch(1)
    jobs = cells(tmp_path, 1, 1, {"cell 0": ["memory"] * 9})
    hand_out(jobs, LocalEngine(3, run_cell), watch, lambda job: job)
    assert watch.failures[0][1] == "it ran out of memory in 4 tries"


def test_what_is_finished_is_counted_and_not_started(tmp_path):
    watch = Watch(3)
    jobs = cells(tmp_path, 3, 3, {})
    hand_out(
        jobs, LocalEngine(0, run_cell), watch, lambda job: job if job.name == "cell 1" else None
    )
    assert watch.counts == {"found": 2, "finished": 1}
    assert [path.name for path in tmp_path.glob("*.result")] == ["cell1.result"]


def test_the_table_says_what_is_done_and_what_is_left():
    watch = Watch(10)
    watch.counts.update({"finished": 4, "found": 2, "failed": 1})
    row = {column.header: next(iter(column.cells)) for column in watch.table().columns}
    assert (row["done"], row["failed"], row["due"]) == ("6 of 10", "1", "3")
    assert watch.time_left is not None
    assert Watch(3).time_left is None


def test_times_in_words():
    assert [as_time(s) for s in (0.4, 59, 61, 3600, 7512)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 00 min",
        "2 h 05 min",
    ]


def test_errors_that_lead_to_each_other_are_looked_through_once():
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]


def test_a_sentence_among_the_causes_keeps_its_own_cause(tmp_path):
    """That MLflow is away must be seen, where it was said when the first node had ended."""
    away = TrackingError("MLflow is away")
    sentence = click.ClickException("MLflow is away")
    sentence.__cause__ = away
    around = RuntimeError("a node failed")
    around.__cause__ = sentence
    config = {"parameters": {"data_root": "data", "extensions": []}}
    context = SimpleNamespace(project_path=tmp_path, config_loader=config)
    for error in (sentence, around):
        with pytest.raises(click.ClickException) as caught, one_sentence(tmp_path):
            hook = ErrorHook()
            hook.after_context_created(context)
            hook.on_pipeline_error(error)
        assert caught.value is sentence
        assert list(causes(caught.value)) == [sentence, away]
