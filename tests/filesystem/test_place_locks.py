"""Locks in a place: one writer at a time among machines that share nothing but it."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace

import pytest

from forks import exit_code, forked
from turns import require_turns
from vlprompt_pipeline.errors import PlaceError, UserError
from vlprompt_pipeline.filesystem import locks, objects
from vlprompt_pipeline.filesystem.lock_records import Holder, Lock
from vlprompt_pipeline.filesystem.locks import HeldLocks
from vlprompt_pipeline.filesystem.place_locks import PlaceTable
from vlprompt_pipeline.filesystem.places import local
from vlprompt_pipeline.processes import Process

CELL = Lock("the cell a/b")
ELSEWHERE = Holder("elsewhere_1_aa", Process("elsewhere", 1, 10.0), "then", "kedro sweep")


@pytest.fixture
def folder(bucket, machine):
    """Of the locks, as hooks name it."""
    return local(f"{bucket}/paper/locks")


@pytest.fixture
def elsewhere(bucket) -> PlaceTable:
    """The locks as a run on another machine sees them."""
    return PlaceTable(f"{bucket}/paper/locks", ELSEWHERE, locks.LEASE)


def test_a_lock_of_another_machine_is_waited_for(folder, elsewhere, caplog):
    caplog.set_level(logging.INFO)
    assert elsewhere.take((CELL,)) is None
    with pytest.raises(UserError, match="the cell a/b is still written by process 1 on elsewhere"):
        HeldLocks(folder).acquire([CELL], patience=0)
    HeldLocks(folder).acquire([Lock("the cell a/c")], patience=0)

    def let_go() -> None:
        time.sleep(0.3)
        elsewhere.release()

    process = forked(let_go)
    held = HeldLocks(folder)
    held.acquire([CELL], patience=30)
    exit_code(process)
    assert "waiting for the cell a/b, which is written by process 1 on elsewhere" in caplog.text
    assert elsewhere.take((CELL,))[0] == CELL
    held.release()
    assert elsewhere.take((CELL,)) is None


def test_those_who_write_the_same_share(folder, elsewhere):
    assert elsewhere.take((Lock("the dataset", "these settings"),)) is None
    HeldLocks(folder).acquire([Lock("the dataset", "these settings")], patience=0)
    for other in ("other settings", ""):
        with pytest.raises(UserError, match="the dataset is still written by"):
            HeldLocks(folder).acquire([Lock("the dataset", other)], patience=0)


def test_a_machine_that_was_not_heard_of_is_taken_over_and_notices(
    folder, bucket, elsewhere, monkeypatch
):
    assert elsewhere.take((CELL,)) is None
    assert elsewhere.renew()
    now = objects.modified

    def modified(url: str) -> float | None:
        return now(url) - (locks.LEASE + 1 if "elsewhere" in url else 0)

    monkeypatch.setattr("vlprompt_pipeline.filesystem.place_locks.modified", modified)
    held = HeldLocks(folder)
    held.acquire([CELL], patience=0)
    assert len(objects.listed(f"{bucket}/paper/locks/alive")) == 1
    assert not elsewhere.renew()
    held.release()


def test_who_was_taken_for_dead_itself_takes_nothing_over(folder, elsewhere, monkeypatch):
    """Another run removed its sign of life just after it was renewed."""
    assert elsewhere.take((CELL,)) is None
    now = objects.modified
    monkeypatch.setattr(
        "vlprompt_pipeline.filesystem.place_locks.modified",
        lambda url: now(url) if "elsewhere" in url else None,
    )
    with pytest.raises(UserError, match="the cell a/b is still written by"):
        HeldLocks(folder).acquire([CELL], patience=0)


def test_of_two_who_try_at_once_one_gets_it(bucket):
    """Both have seen that nobody holds it; the place takes one of the two changes."""
    other = replace(ELSEWHERE, name="other_2_bb", process=Process("other", 2, 10.0))
    second = PlaceTable(f"{bucket}/paper/locks", other, locks.LEASE)
    quicker = []

    class SlowTable(PlaceTable):
        def put(self, number, holders):
            if not quicker:
                quicker.append(second.take((CELL,)))
            return super().put(number, holders)

    lock, holder = SlowTable(f"{bucket}/paper/locks", ELSEWHERE, locks.LEASE).take((CELL,))
    assert quicker == [None]
    assert (lock, holder.name) == (CELL, "other_2_bb")


def test_the_log_stays_short_and_a_late_number_counts_for_nothing(bucket, elsewhere, monkeypatch):
    monkeypatch.setattr("vlprompt_pipeline.filesystem.place_locks.KEPT", 3)
    for _ in range(4):
        assert elsewhere.take((CELL,)) is None
        elsewhere.release()
    numbers = sorted(objects.listed(f"{bucket}/paper/locks/log"))
    assert len(numbers) == 3
    late = {"late_1_cc": replace(ELSEWHERE, locks=(CELL,)).to_dict()}
    assert objects.create(f"{bucket}/paper/locks/log/{1:012d}", json.dumps(late).encode())
    assert elsewhere.take((CELL,)) is None


def test_a_run_that_takes_a_further_lock_is_not_lost_meanwhile(elsewhere, monkeypatch):
    """Another thread renews between the put and its confirmation."""
    renewed, put = [], PlaceTable.put

    def put_and_renew(table, number, holders):
        done = put(table, number, holders)
        renewed.append(table.renew())
        return done

    assert elsewhere.take((CELL,)) is None
    monkeypatch.setattr(PlaceTable, "put", put_and_renew)
    assert elsewhere.take((Lock("the reports"),)) is None
    assert renewed == [True]


def test_who_releases_looks_whether_it_counted(bucket, elsewhere, monkeypatch):
    """Another run changes the log many times between its look and its put."""
    monkeypatch.setattr("vlprompt_pipeline.filesystem.place_locks.KEPT", 1)
    living = Holder("living_3_cc", Process.current(), "then", "kedro run")
    table = PlaceTable(f"{bucket}/paper/locks", living, locks.LEASE)
    assert table.take((CELL,)) is None
    put = PlaceTable.put

    def late(table, number, holders):
        monkeypatch.setattr(PlaceTable, "put", put)
        for _ in range(2):
            assert elsewhere.take((Lock("another cell"),)) is None
            elsewhere.release()
        return put(table, number, holders)

    monkeypatch.setattr(PlaceTable, "put", late)
    table.release()
    assert elsewhere.take((CELL,)) is None


def test_a_place_that_ignores_the_condition_is_refused(bucket, monkeypatch):
    create = "vlprompt_pipeline.filesystem.place_locks.create"
    monkeypatch.setattr(create, lambda url, content: True)
    with pytest.raises(PlaceError, match=r"\(If-None-Match\): two runs could write one cell"):
        PlaceTable(f"{bucket}/paper/locks", ELSEWHERE, locks.LEASE)


def test_two_processes_never_hold_it_together(folder, tmp_path):
    require_turns(folder, CELL, tmp_path / "diary", processes=2, turns=2)
