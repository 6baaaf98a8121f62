"""Locks, and the runs that hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from vlprompt_pipeline.processes import Process


class Lock(NamedTuple):
    """The right to write something, which one run has at a time.

    Attributes:
        name: what is written, in words: "the cell demo/demo_aerial/base_to_new/shots16/seed1".
        shared_by: runs that give the same text here may hold the lock together, since they write
            the same; if empty, one run alone holds it.
    """

    name: str
    shared_by: str = ""

    def excludes(self, other: Lock) -> bool:
        """Tell whether the two cannot be held by different runs at once."""
        shared = self.shared_by and self.shared_by == other.shared_by
        return self.name == other.name and not shared


@dataclass(frozen=True)
class Holder:
    """A run and the locks it holds.

    Attributes:
        name: unique to this holder.
        process: the process of the run.
        since: when it took its first lock, in UTC.
        command: the command line of the run.
        locks: the locks it holds.
    """

    name: str
    process: Process
    since: str
    command: str
    locks: tuple[Lock, ...] = ()

    def __str__(self) -> str:
        return (
            f"process {self.process.number} on {self.process.host}, since {self.since} UTC "
            f"({self.command})"
        )

    def is_dead(self, this_process: Process) -> bool | None:
        """Tell whether its run has ended; None for a run on another machine.

        An earlier run of this very process was cut short, so it has ended.
        """
        return self.process == this_process or self.process.is_dead

    def first_conflict(self, wanted: tuple[Lock, ...]) -> Lock | None:
        """Return the first of the wanted locks that the locks of this holder exclude, if any."""
        blocked = (lock for lock in wanted if any(lock.excludes(other) for other in self.locks))
        return next(blocked, None)

    def to_dict(self) -> dict[str, Any]:
        """Return a mapping for JSON, without the name."""
        return {
            "process": str(self.process),
            "since": self.since,
            "command": self.command,
            "locks": [tuple(lock) for lock in self.locks],
        }

    @classmethod
    def from_stored(cls, name: str, stored: Any) -> Holder | None:
        """Read what `to_dict` gave, or its JSON in bytes; None if it is something else."""
        try:
            stored = json.loads(stored) if isinstance(stored, bytes) else stored
            process = Process.parse(stored["process"])
            locks = tuple(Lock(*lock) for lock in stored["locks"])
            since, command = stored["since"], stored["command"]
        except (ValueError, KeyError, TypeError):
            return None
        return cls(name, process, since, command, locks) if process else None
