"""Locks: one writer at a time, shared by those who write the same, taken over from the dead."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from forks import exit_code, forked
from turns import require_turns
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem import locks
from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock
from vlprompt_pipeline.processes import Process

CELL = Lock("the cell a/b")


def other_process(folder: Path, *held: Lock, seconds: float = 60) -> int:
    """A process that holds locks and does nothing; it does when this returns."""

    def work() -> None:
        HeldLocks(folder).acquire(held, patience=10)
        time.sleep(seconds)

    process = forked(work)
    deadline = time.monotonic() + 20
    while not list(folder.glob(f"*_{process}_*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait for what another thread does, which takes long on a busy machine."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    exit_code(process)


def test_a_cell_has_one_writer_who_is_named(tmp_path):
    process = other_process(tmp_path, CELL)
    try:
        with pytest.raises(UserError) as caught:
            HeldLocks(tmp_path).acquire([CELL], patience=0)
        message = str(caught.value)
        assert message.startswith(f"the cell a/b is still written by process {process} on ")
        assert "wait_for_other_runs" in message
        HeldLocks(tmp_path).acquire([Lock("the cell a/c")], patience=0)
    finally:
        kill(process)


def test_a_guard_that_cannot_be_had_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_GUARD_PATIENCE", 0.0)
    with (
        FileLock(tmp_path / "guard"),
        pytest.raises(UserError, match=r"cannot lock anything in .*guard' could not be acquired"),
    ):
        HeldLocks(tmp_path).acquire([CELL], patience=0)
    (tmp_path / "guard").unlink()
    (tmp_path / "guard").mkdir()  # where the user is root, no file is without the right to write
    with pytest.raises(UserError, match=r"cannot lock anything in .* make its files writable"):
        HeldLocks(tmp_path).acquire([CELL], patience=0)


def test_a_dead_holder_is_taken_over(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    process = other_process(tmp_path, CELL)
    kill(process)
    held = HeldLocks(tmp_path)
    held.acquire([CELL], patience=0)
    assert f"taking over the cell a/b from process {process}" in caplog.text
    held.release()
    assert list(tmp_path.glob("*.json")) == []


def test_a_process_with_a_number_that_is_used_again_is_dead():
    """The number lives, but it started at another time: another process has it now."""
    mine = Process.current()
    assert mine.is_dead is False
    assert mine._replace(started=mine.started - 100).is_dead is True
    assert Process.parse(str(mine)) == mine
    assert Process.parse("no process") is None


def test_who_waits_gets_it_when_it_is_released(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    process = other_process(tmp_path, CELL, seconds=1)
    held = HeldLocks(tmp_path)
    held.acquire([CELL], patience=30)
    exit_code(process)
    assert caplog.text.count("waiting for the cell a/b, which is written by process") == 1
    held.release()


def test_those_who_write_the_same_share(tmp_path):
    process = other_process(tmp_path, Lock("the dataset", "these settings"))
    try:
        HeldLocks(tmp_path).acquire([Lock("the dataset", "these settings")], patience=0)
        for other in ("other settings", ""):
            with pytest.raises(UserError, match="the dataset is still written by"):
                HeldLocks(tmp_path).acquire([Lock("the dataset", other)], patience=0)
    finally:
        kill(process)


def test_all_locks_are_taken_at_once_or_none(tmp_path):
    process = other_process(tmp_path, CELL)
    try:
        held = HeldLocks(tmp_path)
        with pytest.raises(UserError):
            held.acquire([Lock("the dataset", "x"), CELL], patience=0)
        HeldLocks(tmp_path).acquire([Lock("the dataset", "y")], patience=0)
    finally:
        kill(process)


def on_another_machine(folder: Path, seconds_ago: float) -> Path:
    """The file of a run elsewhere that was renewed so long ago."""
    assert socket.gethostname() != "elsewhere"
    folder.mkdir(exist_ok=True)
    file = folder / "elsewhere_1_aa.json"
    content = {"process": "elsewhere 1 10.00", "since": "then", "command": "kedro run"}
    file.write_text(json.dumps({**content, "locks": [tuple(CELL)]}))
    moment = time.time() - seconds_ago
    os.utime(file, (moment, moment))
    return file


def test_another_machine_holds_it_as_long_as_it_renews_it(tmp_path):
    file = on_another_machine(tmp_path, locks.LEASE / 2)
    with pytest.raises(UserError, match="process 1 on elsewhere, since then UTC"):
        HeldLocks(tmp_path).acquire([CELL], patience=0)
    on_another_machine(tmp_path, locks.LEASE * 2)
    HeldLocks(tmp_path).acquire([CELL], patience=0)
    assert not file.exists()


def test_a_held_lock_is_renewed_and_its_loss_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "RENEWAL", 0.05)
    held = HeldLocks(tmp_path)
    held.acquire([CELL], patience=0)
    (file,) = tmp_path.glob("*.json")
    os.utime(file, (0, 0))
    wait_for(lambda: file.stat().st_mtime > 0)
    assert not held.lost
    file.unlink()  # as another machine does after the lease
    wait_for(lambda: held.lost)


def test_who_lost_a_lock_and_has_not_noticed_gets_no_other(tmp_path):
    held = HeldLocks(tmp_path)
    held.acquire([CELL], patience=0)
    (file,) = tmp_path.glob("*.json")
    file.unlink()  # as another machine does after the lease
    on_another_machine(tmp_path, 0)
    with pytest.raises(UserError, match="the cell a/b is still written by process 1 on elsewhere"):
        held.acquire([Lock("the reports")], patience=0)
    assert not file.exists()


def test_an_earlier_run_of_the_same_process_that_was_cut_short_is_no_obstacle(tmp_path):
    HeldLocks(tmp_path).acquire([CELL], patience=0)
    HeldLocks(tmp_path).acquire([CELL], patience=0)
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_four_processes_never_hold_it_together(tmp_path):
    require_turns(tmp_path / "locks", CELL, tmp_path / "diary", processes=4, turns=5)
