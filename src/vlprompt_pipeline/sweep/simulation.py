"""A sweep on a clock that is not the wall's: the real order of jobs, on any number of workers.

Everything is as in a real sweep but the engine, whose workers take the seconds that cells were
measured to take. So the end of a grid on 64 workers is known before 64 workers are rented.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.schedule import hand_out
from vlprompt_pipeline.sweep.watch import Watch

RAY_OVERHEAD = 0.001
"""Seconds of a worker that a task of Ray costs beside its work (tests/speed/sweep.py)."""


class Estimate(NamedTuple):
    """How long a grid takes: seconds on the wall, and seconds that workers are at work."""

    seconds: float
    worker_seconds: float


@dataclass
class SimulatedEngine:
    """Workers that are busy for as long as a job takes.

    Attributes:
        workers: how many jobs run at once.
        seconds_of: how long a job takes.
        overhead: seconds that each job takes beside.
        clock: seconds since the start.
        work: seconds that all jobs took.
    """

    workers: int
    seconds_of: Callable[[Job], float]
    overhead: float = RAY_OVERHEAD
    dashboard: str = ""
    clock: float = 0.0
    work: float = 0.0
    _busy: list[tuple[float, int, Job]] = field(default_factory=list)
    _started: int = 0

    def has_room(self) -> bool:
        """Say whether a worker is free."""
        return len(self._busy) < self.workers

    def start(self, job: Job) -> None:
        """Occupy a worker."""
        seconds = self.seconds_of(job) + self.overhead
        self._started += 1  # two jobs that end at once end in the order of their start
        heapq.heappush(self._busy, (self.clock + seconds, self._started, job))
        self.work += seconds

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Go on to the end of the next job."""
        if self._busy:
            self.clock, _, job = heapq.heappop(self._busy)
            yield job, Outcome("finished")

    def stop(self, *, at_once: bool) -> None:
        """Do nothing: nothing runs."""


def simulate(jobs: Sequence[Job], workers: int, seconds_of: Callable[[Job], float]) -> Estimate:
    """Run jobs through the real schedule on so many workers.

    Example:
        >>> from vlprompt_pipeline.sweep.job import Job
        >>> jobs = [Job(f"cell {n}", ".", {}, group=str(n)) for n in range(10)]
        >>> round(simulate(jobs, 4, lambda job: 60.0).seconds)  # three rounds
        180
    """
    engine = SimulatedEngine(workers, seconds_of)
    hand_out(jobs, engine, Watch(len(jobs), quiet=True), lambda job: job)
    return Estimate(engine.clock, engine.work)
