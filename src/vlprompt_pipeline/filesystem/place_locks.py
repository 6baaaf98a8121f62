"""Locks in a place, which has no files to lock: a log to which runs only append.

`log/<number>` lists all holders. A run that takes locks or gives them back puts the next number
with the new list of holders by a conditional put (If-None-Match). Of two runs that try at once, the
place accepts one put, and the other run reads the log again. Old numbers are removed. A slow run
could put a number that was removed already, so each run checks that the newest has its change.

Each holder renews `alive/<name>`. A holder on another machine whose object was not renewed for
`lease` seconds of the place's clock is dead.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace

from vlprompt_pipeline.errors import PlaceError
from vlprompt_pipeline.filesystem.lock_records import Holder, Lock
from vlprompt_pipeline.filesystem.objects import create, listed, modified, put, read, remove

logger = logging.getLogger(__name__)

KEPT = 20  # newest numbers of the log, which are not removed
_TRIES = 1000  # to append a change; a try fails where another run was quicker


class PlaceTable:
    """The locks of all runs that work in one place, as one run sees and changes them."""

    def __init__(self, url: str, holder: Holder, lease: float) -> None:
        """Start without locks.

        Raises:
            PlaceError: the place ignores the condition of a put: two runs could hold a lock.
        """
        self._log, self._alive = f"{url}/log", f"{url}/alive"
        self._holder, self._lease = holder, lease
        probe = f"{url}/conditional"
        if create(probe, b"") and create(probe, b""):
            raise PlaceError(
                f"{url} puts an object over another one where it was asked not to "
                "(If-None-Match): two runs could write one cell; use a place that knows it"
            )

    def take(self, wanted: tuple[Lock, ...]) -> tuple[Lock, Holder] | None:
        """Take all wanted locks, or return the first that another run holds, and its holder."""
        self._renew()
        later = replace(self._holder, locks=self._holder.locks + wanted)
        for _ in range(_TRIES):
            number, holders = self._newest()
            others = [holder for holder in holders if holder.name != later.name]
            for other in list(others):
                if (lock := other.first_conflict(later.locks)) is None:
                    continue
                if not self._is_dead(other):
                    return lock, other
                if other.process != later.process:
                    names = ", ".join(lock.name for lock in other.locks)
                    logger.info("taking over %s from %s, which is dead", names, other)
                others.remove(other)
                remove(f"{self._alive}/{other.name}")
            if self.put(number + 1, [*others, later]) and later in self._newest()[1]:
                self._holder = later
                return None
        raise PlaceError(f"{self._log} is changed by so many runs that this one finds no moment")

    def renew(self) -> bool:
        """Show that this run lives; false if another one has taken its locks over."""
        self._renew()
        # by its name: in another thread this run may just be taking a further lock
        return any(holder.name == self._holder.name for holder in self._newest()[1])

    def release(self) -> None:
        """Give all locks back."""
        for _ in range(_TRIES):
            number, holders = self._newest()
            others = [holder for holder in holders if holder.name != self._holder.name]
            if len(others) == len(holders):
                break
            self.put(number + 1, others)
        self._holder = replace(self._holder, locks=())
        remove(f"{self._alive}/{self._holder.name}")

    def _renew(self) -> None:
        put(f"{self._alive}/{self._holder.name}", b"")

    def _newest(self) -> tuple[int, list[Holder]]:
        while numbers := sorted(listed(self._log)):
            newest = numbers[-1]
            content = read(newest)
            if content is None:  # removed just now: there are newer ones
                continue
            stored = json.loads(content).items()
            holders = filter(None, (Holder.from_stored(name, values) for name, values in stored))
            remove(*numbers[:-KEPT])
            return int(newest.rpartition("/")[2]), list(holders)
        return 0, []

    def put(self, number: int, holders: list[Holder]) -> bool:
        """Write the next number of the log; false if another run was quicker."""
        content = {holder.name: holder.to_dict() for holder in holders}
        return create(f"{self._log}/{number:012d}", json.dumps(content).encode())

    def _is_dead(self, other: Holder) -> bool:
        if (dead := other.is_dead(self._holder.process)) is not None:
            return dead
        renewed = modified(f"{self._alive}/{other.name}")
        now = modified(f"{self._alive}/{self._holder.name}")  # of the place's clock
        # without `now` this run was taken for dead itself, and knows nothing of others
        return renewed is None or (now is not None and now - renewed > self._lease)
