"""Faults that strike cells while they run, in a worker of Ray.

The folder `faults` of a project holds a file for each fault, `due/03-disk`. A cell that begins
takes the first one, and the fault strikes at a random step: before a node, or before MLflow is
told. It is then in `struck`.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from kedro.framework.hooks import hook_impl
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipelines.project import DATASET, miniature
from vlprompt_pipeline import settings
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS
from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.worker import run_job

IN_CELLS = ("killed", "memory", "raised", "disk", "away")
"""SIGKILL of the worker; a MemoryError; an error; a full disk; a database that stays locked."""
MOST_OF_A_CELL = 2  # with a lost node that is three tries more, as many as a sweep grants
_MOMENT = 0.1  # seconds within which a kill comes after its step begins


class FaultHook:
    """Strike at one step of a run."""

    def __init__(self) -> None:
        self._strike: Callable[[], None] | None = None
        self._chance = random.Random()
        self._left = 0

    def arm(self, strike: Callable[[], None] | None, chance: random.Random | None = None) -> None:
        """Strike in the next run, or not."""
        self._strike, self._chance = strike, chance or self._chance

    @hook_impl
    def before_pipeline_run(self, pipeline: Any) -> None:
        """Choose the step."""
        self._left = self._chance.randint(0, len(pipeline.nodes))

    @hook_impl
    def before_node_run(self) -> None:
        """Strike here, or at a later step."""
        self._step()

    @hook_impl(tryfirst=True)  # after the completion record, before MLflow
    def after_pipeline_run(self) -> None:
        """Strike now if not before."""
        self._left = 0
        self._step()

    def _step(self) -> None:
        if self._left == 0 and self._strike is not None:
            strike, self._strike = self._strike, None
            strike()
        self._left -= 1


class Fault:
    """One fault that a cell has taken."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.kind = file.name.partition("-")[2]
        self._timer: threading.Timer | None = None
        self._sync = os.fsync
        self._listening = False

    def strike(self, chance: random.Random) -> None:
        """Do what its kind says, now or a moment later."""
        match self.kind:
            case "killed":
                self._timer = threading.Timer(chance.uniform(0, _MOMENT), self._kill)
                self._timer.start()
            case "memory":
                self._struck()
                raise MemoryError
            case "raised":
                self._struck()
                raise ZeroDivisionError("a fault that nobody foresaw")
            case "disk":
                os.fsync = self._full
            case "away":
                event.listen(Engine, "before_cursor_execute", self._locked)
                self._listening = True

    def over(self) -> None:
        """Leave nothing of it behind; one that has not struck is due again."""
        os.fsync = self._sync
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._listening:
            event.remove(Engine, "before_cursor_execute", self._locked)
        if self._file.exists():
            self._file.rename(self._file.parents[1] / "due" / self._file.name)

    def _struck(self) -> None:
        if self._file.exists():
            self._file.rename(self._file.parents[1] / "struck" / self._file.name)

    def _kill(self) -> None:
        self._struck()
        os.kill(os.getpid(), signal.SIGKILL)

    def _full(self, handle: int) -> None:
        os.fsync = self._sync
        self._struck()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _locked(self, *_: Any) -> None:
        self._struck()
        raise sqlite3.OperationalError("database is locked")


_HOOK = FaultHook()


def set_up() -> None:
    """Make this process one of the tests: a small dataset, and a hook that strikes."""
    IMAGE_DATASETS[DATASET] = miniature()
    if _HOOK not in settings.HOOKS:
        settings.HOOKS = (*settings.HOOKS, _HOOK)


def run_with_faults(job: Job) -> Outcome:
    """As `run_job`, in a worker that may be struck."""
    set_up()
    folder = Path(job.project) / "faults"
    fault = _taken(job, folder) if job.kind == "cell" and folder.is_dir() else None
    if fault is None:
        return run_job(job)
    chance = random.Random(f"{fault.kind} {job.name}")
    _HOOK.arm(lambda: fault.strike(chance), chance)
    try:
        return run_job(job)
    finally:
        _HOOK.arm(None)
        fault.over()


def give_back(folder: Path) -> None:
    """Let others take what died with its worker before it struck."""
    for file in (folder / "taken").iterdir():
        with suppress(FileNotFoundError):  # it strikes now
            number = file.read_text()
            if number and not psutil.pid_exists(int(number)):
                file.rename(folder / "due" / file.name)


def begun(folder: Path) -> int:
    """How many tries of cells have begun."""
    log = folder / "begun.txt"
    return len(log.read_text().splitlines()) if log.exists() else 0


def _taken(job: Job, folder: Path) -> Fault | None:
    """Note that a cell begins, and take the fault that is due."""
    with (folder / "begun.txt").open("a") as log:
        log.write(f"{job.name}\n")
    for file in sorted((folder / "due").iterdir()):
        for number in range(MOST_OF_A_CELL):
            try:
                (folder / f"{job.name}.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            try:
                taken = file.rename(folder / "taken" / file.name)
                taken.write_text(str(os.getpid()))
                return Fault(taken)
            except FileNotFoundError:  # another cell was quicker
                (folder / f"{job.name}.{number}").unlink()
                break
        else:
            return None
    return None
