"""What is locked, and who holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from vlprompt_pipeline.processes import Process


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
        """Tell whether the two cannot be held by different runs at once."""
        together = self.shared_by and self.shared_by == other.shared_by
        return self.name == other.name and not together


@dataclass(frozen=True)
class Holder:
    """A run and the locks it holds.

    Attributes:
        name: of this holder, which no other one has.
        process: of the run.
        since: when it took its first lock, in UTC.
        command: that started it.
        locks: that it holds.
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

    def is_dead(self, asking: Process) -> bool | None:
        """Tell whether its run has ended; none for one of another machine than who is asking.

        An earlier run of the same process, which was cut short, has.
        """
        return self.process == asking or self.process.is_dead

    def in_the_way(self, wanted: tuple[Lock, ...]) -> Lock | None:
        """Return the first of some locks that cannot be had as long as this one holds its own."""
        blocked = (lock for lock in wanted if any(lock.excludes(other) for other in self.locks))
        return next(blocked, None)

    def to_dict(self) -> dict[str, Any]:
        """Give what is stored: all but the name."""
        return {
            "process": str(self.process),
            "since": self.since,
            "command": self.command,
            "locks": [tuple(lock) for lock in self.locks],
        }

    @classmethod
    def from_dict(cls, name: str, stored: Any) -> Holder | None:
        """Read what `to_dict` gave; none if it is something else."""
        try:
            process = Process.parse(stored["process"])
            locks = tuple(Lock(*lock) for lock in stored["locks"])
            since, command = stored["since"], stored["command"]
        except (ValueError, KeyError, TypeError):
            return None
        return cls(name, process, since, command, locks) if process else None

    @classmethod
    def from_json(cls, name: str, text: str | bytes) -> Holder | None:
        """Read JSON of the same."""
        try:
            return cls.from_dict(name, json.loads(text))
        except ValueError:
            return None
