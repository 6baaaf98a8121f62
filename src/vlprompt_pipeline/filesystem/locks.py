"""Locks on what runs write: two runs at once either share it, or one waits for the other.

Each run has one file in a folder, which lists its locks. It holds them as long as the file is there
and its process lives: the system tells that of a process on this machine; one on another machine
must have renewed its file within the last two minutes. Locks of a dead process are taken over. In a
place such as a bucket, objects take the part of the files (module `place_locks`).
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
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from vlprompt_pipeline.errors import ConfigError, UserError, reason_of
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.filesystem.lock_records import Holder, Lock
from vlprompt_pipeline.filesystem.place_locks import PlaceTable
from vlprompt_pipeline.filesystem.places import url_of
from vlprompt_pipeline.processes import Process

logger = logging.getLogger(__name__)

LEASE = 120.0  # seconds that a lock of another machine lives without being renewed
RENEWAL = 20.0  # seconds between renewals
_LOOK = 0.5  # seconds between two looks at a lock that another run holds
_GUARD_PATIENCE = 60.0  # seconds; a run that lives guards the folder for milliseconds
_COMMAND = 200  # characters of a command that are shown


class HeldByAnotherError(UserError):
    """Another run still holds a lock after the time that this run was told to wait."""


class HeldLocks:
    """The locks of one run.

    Attributes:
        lost: another run took the locks over, because this one seemed to be dead.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     held = HeldLocks(Path(folder))
        ...     held.acquire([Lock("the cell a/b")], patience=0)
        ...     held.release()
    """

    def __init__(self, folder: Path) -> None:
        """Keep the locks in `folder`, which all runs that write the same must see."""
        process = Process.current()
        self._folder = folder
        self._holder = Holder(
            f"{process.host}_{process.number}_{uuid4().hex[:8]}",
            process,
            f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:_COMMAND],
        )
        self._table: FolderTable | PlaceTable | None = None
        self._locks: tuple[Lock, ...] = ()
        self._released = threading.Event()
        self.lost = False

    def acquire(self, locks: Iterable[Lock], patience: float) -> None:
        """Take further locks: all of them at once, or none.

        Args:
            locks: in addition to those held already.
            patience: seconds to wait for other runs.

        Raises:
            HeldByAnotherError: another run still holds one of them; names the run, and since when.
        """
        wanted = tuple(lock for lock in locks if lock not in self._locks)
        if not wanted:
            return
        if self._table is None:
            if url := url_of(self._folder):
                self._table = PlaceTable(url, self._holder, LEASE)
            else:
                self._table = FolderTable(self._folder, self._holder)
        deadline, announced = time.monotonic() + patience, None
        while (conflict := self._table.take(wanted)) is not None:
            lock, holder = conflict
            if time.monotonic() >= deadline:
                waited = f" after {patience:.0f} seconds" if patience else ""
                raise HeldByAnotherError(
                    f"{lock.name} is still written by {holder}{waited}: wait for it to end, end "
                    "it, or wait longer with --params=wait_for_other_runs=SECONDS"
                )
            if holder.name != announced:
                logger.info("waiting for %s, which is written by %s", lock.name, holder)
                announced = holder.name
            time.sleep(min(_LOOK, max(deadline - time.monotonic(), 0)))
        if not self._locks:
            threading.Thread(target=self._renew, name="locks", daemon=True).start()
        self._locks += wanted

    def release(self) -> None:
        """Give all locks back, for good."""
        self._released.set()
        self._locks = ()
        if self._table is not None:
            self._table.release()

    def _renew(self) -> None:
        while not self._released.wait(RENEWAL):
            try:
                lives = self._table.renew()
            except (OSError, UserError) as error:  # a file server that is away for a moment
                logger.debug("a lock could not be renewed: %s", error)
                continue
            if not lives:
                self.lost = not self._released.is_set()
                return


class FolderTable:
    """Locks in a folder: a file for each holder, changed by one run at a time."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the folder {folder}: {error.strerror}; make what is above it "
                "writable, or choose another data_root"
            ) from error
        self._folder, self._holder = folder, holder
        self._file = folder / f"{holder.name}.json"

    def take(self, wanted: tuple[Lock, ...]) -> tuple[Lock, Holder] | None:
        """Take all wanted locks, or return the first that another run holds, and its holder.

        Raises:
            ConfigError: the files are another user's, or a run hangs that guards the folder.
        """
        later = replace(self._holder, locks=self._holder.locks + wanted)
        try:
            with FileLock(self._folder / "guard", timeout=_GUARD_PATIENCE):
                for holder in self._living_holders():
                    if lock := holder.first_conflict(later.locks):
                        return lock, holder
                self._holder = later
                with atomic_write(self._file) as file:
                    file.write_text(json.dumps(self._holder.to_dict(), indent=1), encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot lock anything in {self._folder} ({reason_of(error)}): make its files "
                "writable, end a run that hangs, or choose another data_root"
            ) from error
        return None

    def renew(self) -> bool:
        """Show that this run lives; false if another one has taken its locks over."""
        with suppress(FileNotFoundError):
            os.utime(self._file)
            return True
        return False

    def release(self) -> None:
        """Give all locks back."""
        self._file.unlink(missing_ok=True)

    def _living_holders(self) -> list[Holder]:
        """Return all other runs that hold locks; files of dead ones are removed."""
        clock = self._folder / "clock"
        clock.touch()
        now = clock.stat().st_mtime  # of the file server, whose clock may differ from this one
        living = []
        for file in sorted(self._folder.glob("*.json")):
            if file == self._file:
                continue
            with suppress(FileNotFoundError):  # released just now
                holder = Holder.from_stored(file.stem, file.read_bytes())
                age = now - file.stat().st_mtime
                if holder is not None and not self._is_dead(holder, age):
                    living.append(holder)
                    continue
                if holder is not None and holder.process != self._holder.process:
                    names = ", ".join(lock.name for lock in holder.locks)
                    logger.info("taking over %s from %s, which is dead", names, holder)
                file.unlink()
        return living

    def _is_dead(self, holder: Holder, age: float) -> bool:
        dead = holder.is_dead(self._holder.process)
        return age > LEASE if dead is None else dead
