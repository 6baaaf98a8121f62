"""Cells that compute nothing: they write a file each, and fail as they are told to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from vlprompt_pipeline.sweep.job import Job, Outcome, TransientError

KINDS = ("killed", "memory", "raised", "disk", "busy", "refused")


def cells(folder: Path, number: int, groups: int, faults: dict[str, list[str]]) -> list[Job]:
    """Jobs in groups, each with the faults of its first tries."""
    return [
        Job(
            f"cell {n}",
            str(folder),
            {"faults": faults.get(f"cell {n}", [])},
            group=f"group {n % groups}",
            trained={"coop": None},
        )
        for n in range(number)
    ]


def run_cell(job: Job) -> Outcome:
    """What stands for a Kedro session: says that it began, fails or writes its result."""
    folder = Path(job.project)
    faults = list(job.params["faults"])
    name = job.name.replace(" ", "")
    tries = folder / f"{name}.tries"
    with tries.open("a") as file:
        file.write(".")
    number = tries.stat().st_size
    running = folder / f"{job.group}.running"
    if number > len(faults):
        handle = os.open(running, os.O_CREAT | os.O_EXCL)  # two of a group at once fail here
        time.sleep(0.005)
        partial = folder / f".{name}.partial"
        partial.write_text(job.name)
        partial.rename(folder / f"{name}.result")
        os.close(handle)
        running.unlink()
        return Outcome("finished", seconds=0.005)
    match faults[number - 1]:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            return Outcome("memory", "it ran out of memory")
        case "raised":
            raise TransientError("a fault that nobody foresaw")
        case "disk":
            raise TransientError("no space left on the disk")
        case "unforeseen":
            raise OSError("no such project here")
        case "busy":
            return Outcome("busy")
    return Outcome("failed", "wrong input")
