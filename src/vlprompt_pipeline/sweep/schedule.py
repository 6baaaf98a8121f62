"""The order of jobs: shared ones first, and never two at once that write the same files."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from time import sleep

from vlprompt_pipeline.sweep.engines import Engine
from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.watch import Watch

_MEMORY_TRIES = 3  # after running out of memory, each with half of the activations kept
_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds: where others run all cells, each look takes a session


class Schedule:
    """Jobs that wait, each handed out as soon as it may start.

    Jobs of one group run one after the other. Groups take turns, so that neighbours differ in more
    than the method. A group waits until all jobs that one of its own names as `after` have ended.
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
        if job.kind != "shared":
            return
        for group, missing in self._missing.items():
            if job.name in missing:
                missing.discard(job.name)
                if not missing and self._groups[group]:
                    self._free[group] = None

    def again(self, job: Job) -> None:
        """Put a job back, behind all others of its group."""
        self._groups[job.group].append(job)
        self._free[job.group] = None
        self.waiting += 1


def hand_out(
    jobs: Sequence[Job],
    engine: Engine,
    watch: Watch,
    remaining: Callable[[Job], Job | None],
    *,
    fail_fast: bool = False,
) -> None:
    """Give jobs to an engine until none is left.

    Args:
        jobs: in the order in which they are to be begun.
        engine: runs them.
        watch: is told what happens.
        remaining: returns the part of a job that is still to be run, None if it is finished; called
            just before the job would be started.
        fail_fast: leave the rest out after the first failure.
    """
    schedule, busy = Schedule(jobs), 0
    while schedule.waiting or watch.running:
        while engine.has_room() and (job := schedule.take()):
            if rest := remaining(job):
                engine.start(rest)
                watch.running += 1
            else:
                schedule.ended(job)
                watch.ended(job, Outcome("found"))
        ended = list(engine.ended())
        for job, outcome in ended:
            watch.running -= 1
            _settle(job, outcome, schedule, watch)
        busy = busy + 1 if ended and all(outcome.status == "busy" for _, outcome in ended) else 0
        if busy:
            sleep(min(busy * _PAUSE, _LONGEST_PAUSE))
        if fail_fast and watch.failures:
            return


def _settle(job: Job, outcome: Outcome, schedule: Schedule, watch: Watch) -> None:
    if outcome.status == "busy":
        schedule.again(job)
        return
    if outcome.status == "memory":
        if job.trained and job.attempt < _MEMORY_TRIES:
            watch.say(f"{job.name}: out of memory, tried again with fewer activations kept")
            schedule.again(job.with_less_memory())
            return
        outcome = Outcome("failed", f"{outcome.sentence} in {job.attempt + 1} tries")
    schedule.ended(job)
    watch.ended(job, outcome)
