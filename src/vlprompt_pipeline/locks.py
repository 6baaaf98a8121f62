"""Locks on what runs write: two runs at once either share it, or one waits for the other.

A run says in one file of a folder what it holds. A lock is held as long as that file is there and
its process lives. On one machine that is asked of the system; on another one the file must have
been renewed within the last two minutes. A lock of a dead process is taken over.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from filelock import FileLock

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.processes import Process

logger = logging.getLogger(__name__)

LEASE = 120.0  # seconds that a lock of another machine lives without being renewed
RENEWAL = 20.0  # seconds between renewals
_LOOK = 0.5  # seconds between two looks at a lock that another run holds
_GUARD_PATIENCE = 60.0  # seconds; whoever looks at the locks does so for milliseconds
_COMMAND = 200  # characters of a command that are shown


class HeldByAnotherError(UserError):
    """Another run writes the same, and went on for longer than was to be waited."""


class Lock(NamedTuple):
    """Something that is written by one run at a time.

    Attributes:
        name: in words, for instance "the cell demo/demo_aerial/base_to_new/shots16/seed1".
        shared_by: runs that give the same text here may hold it together, since they write the same
            to it; if empty, nobody may.
    """

    name: str
    shared_by: str = ""

    def excludes(self, other: Lock) -> bool:
        """Whether the two cannot be held by different runs at once."""
        together = self.shared_by and self.shared_by == other.shared_by
        return self.name == other.name and not together


@dataclass(frozen=True)
class Holder:
    """A run and the locks it holds, as its file says.

    Attributes:
        file: of this holder.
        process: of the run.
        since: when it took its first lock, in UTC.
        command: that started it.
        locks: that it holds.
    """

    file: Path
    process: Process
    since: str
    command: str
    locks: tuple[Lock, ...]

    def __str__(self) -> str:
        return (
            f"process {self.process.number} on {self.process.host}, since {self.since} UTC "
            f"({self.command})"
        )


class HeldLocks:
    """The locks of one run.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     held = HeldLocks(Path(folder))
        ...     held.acquire([Lock("the cell a/b")], patience=0)
        ...     held.release()
    """

    def __init__(self, folder: Path) -> None:
        """Locks are kept in `folder`, which all runs that could disturb each other must see."""
        self._folder = folder
        self._process = Process.current()
        self._since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        self._file = folder / f"{self._process.host}_{self._process.number}_{uuid4().hex[:8]}.json"
        self._locks: tuple[Lock, ...] = ()
        self._released = threading.Event()
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether another run took the locks over, because this one seemed to be dead."""
        return self._lost

    def acquire(self, locks: Iterable[Lock], patience: float) -> None:
        """Hold these locks, too: all of them at once, or none yet.

        Args:
            locks: in addition to those held already.
            patience: seconds to wait for other runs.

        Raises:
            HeldByAnotherError: another run still holds one of them; it says which and since when.
        """
        wanted = tuple(lock for lock in locks if lock not in self._locks)
        if not wanted:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline, announced = time.monotonic() + patience, None
        while (conflict := self._try(wanted)) is not None:
            lock, holder = conflict
            if time.monotonic() >= deadline:
                waited = f" after {patience:.0f} seconds" if patience else ""
                raise HeldByAnotherError(
                    f"{lock.name} is still written by {holder}{waited}: wait for it to end, end "
                    "it, or wait longer with --params=wait_for_other_runs=SECONDS"
                )
            if holder.file != announced:
                logger.info("waiting for %s, which is written by %s", lock.name, holder)
                announced = holder.file
            time.sleep(min(_LOOK, max(deadline - time.monotonic(), 0)))

    def release(self) -> None:
        """Let others have all of them."""
        self._released.set()
        self._locks = ()
        self._file.unlink(missing_ok=True)

    def _try(self, wanted: tuple[Lock, ...]) -> tuple[Lock, Holder] | None:
        """Take all of them, or say which one is held by whom."""
        with FileLock(self._folder / "guard", timeout=_GUARD_PATIENCE):
            for holder in self._living_holders():
                for lock in wanted:
                    if any(lock.excludes(other) for other in holder.locks):
                        return lock, holder
            first = not self._locks
            self._locks += wanted
            self._write()
        if first:
            threading.Thread(target=self._renew, name="locks", daemon=True).start()
        return None

    def _write(self) -> None:
        content = {
            "process": str(self._process),
            "since": self._since,
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:_COMMAND],
            "locks": [tuple(lock) for lock in self._locks],
        }
        with atomic_write(self._file) as file:
            file.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _renew(self) -> None:
        while not self._released.wait(RENEWAL):
            try:
                os.utime(self._file)
            except FileNotFoundError:
                self._lost = not self._released.is_set()
                return
            except OSError as error:  # a file server that is away for a moment
                logger.debug("a lock could not be renewed: %s", error)

    def _living_holders(self) -> list[Holder]:
        """All other runs that hold locks; files of dead ones are removed."""
        clock = self._folder / "clock"
        clock.touch()
        now = clock.stat().st_mtime  # of the file server, whose clock may differ from this one
        living = []
        for file in sorted(self._folder.glob("*.json")):
            if file == self._file:
                continue
            with suppress(FileNotFoundError):  # released just now
                holder, age = _read(file), now - file.stat().st_mtime
                if holder is not None and not self._is_dead(holder, age):
                    living.append(holder)
                    continue
                if holder is not None and holder.process != self._process:
                    names = ", ".join(lock.name for lock in holder.locks)
                    logger.info("taking over %s from %s, which is dead", names, holder)
                file.unlink()
        return living

    def _is_dead(self, holder: Holder, age: float) -> bool:
        if holder.process == self._process:  # an earlier run of this process, cut short
            return True
        dead = holder.process.is_dead
        return age > LEASE if dead is None else dead


def _read(file: Path) -> Holder | None:
    """The holder, or none if the file is none of ours."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        process = Process.parse(content["process"])
        locks = tuple(Lock(*lock) for lock in content["locks"])
        since, command = content["since"], content["command"]
    except (ValueError, KeyError, TypeError):
        return None
    return Holder(file, process, since, command, locks) if process else None
