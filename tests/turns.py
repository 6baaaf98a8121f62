"""Processes that want one lock at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

from forks import exit_code, forked
from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock


def require_turns(folder: Path, lock: Lock, diary: Path, *, processes: int, turns: int) -> None:
    """Each appends its number when it has the lock and when it lets go: pairs never interleave."""

    def work() -> None:
        for _ in range(turns):
            held = HeldLocks(folder)
            held.acquire([lock], patience=60)
            for _ in range(2):
                with diary.open("a") as stream:
                    stream.write(f"{os.getpid()}\n")
                time.sleep(0.01)
            held.release()

    started = [forked(work) for _ in range(processes)]
    assert list(map(exit_code, started)) == [0] * processes
    lines = diary.read_text().split()
    assert len(lines) == 2 * processes * turns
    assert all(lines[n] == lines[n + 1] for n in range(0, len(lines), 2))
