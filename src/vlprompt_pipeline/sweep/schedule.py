"""The order of jobs: what is shared first, and never two at once that write the same files."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from vlprompt_pipeline.sweep.job import Job


class Schedule:
    """Jobs that wait, each handed out when nothing is in its way.

    Jobs of one group run one after the other. Groups take turns, so that neighbours differ in more
    than the method. A group waits until all jobs that are the `after` of one of its own have ended.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.waiting = 0
        self._groups: dict[str, deque[Job]] = {}
        self._missing: dict[str, set[str]] = {}  # names of jobs that a group waits for
        for job in jobs:
            self._groups.setdefault(job.group, deque()).append(job)
            self._missing.setdefault(job.group, set()).update({job.after} - {""})
            self.waiting += 1
        self._free = OrderedDict.fromkeys(g for g, names in self._missing.items() if not names)

    def take(self) -> Job | None:
        """Return the next job that may start now, or none."""
        if not self._free:
            return None
        group, _ = self._free.popitem(last=False)
        self.waiting -= 1
        return self._groups[group].popleft()

    def ended(self, job: Job) -> None:
        """Free what waited for a job that ended, well or not."""
        if self._groups[job.group]:
            self._free[job.group] = None
        if job.kind == "shared":
            self._unblock(job.name)

    def again(self, job: Job) -> None:
        """Put a job back, behind all others of its group."""
        self._groups[job.group].append(job)
        self._free[job.group] = None
        self.waiting += 1

    def _unblock(self, name: str) -> None:
        for group, missing in self._missing.items():
            if name in missing:
                missing.discard(name)
                if not missing and self._groups[group]:
                    self._free[group] = None
