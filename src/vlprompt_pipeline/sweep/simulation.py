"""A sweep on a simulated clock: the real order of jobs, on any number of workers.

All is as in a real sweep but the engine, whose workers take the seconds that cells took before. So
the time of a grid on 64 workers is known before 64 workers are rented.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.schedule import hand_out
from vlprompt_pipeline.sweep.watch import Watch

RAY_OVERHEAD = 0.001
"""Seconds of a worker that a task of Ray costs beside its work (tests/speed/sweep.py)."""


class SimulatedEngine:
    """Simulates workers; `clock` counts seconds from the start."""

    def __init__(self, workers: int, seconds_of: Callable[[Job], float]) -> None:
        self.clock = 0.0
        self._workers, self._seconds_of = workers, seconds_of
        self._busy: list[tuple[float, int, Job]] = []
        self._number = count()  # two jobs that end at once end in the order of their start

    def has_room(self) -> bool:
        """Say whether a worker is free."""
        return len(self._busy) < self._workers

    def start(self, job: Job) -> None:
        """Occupy a worker."""
        end = self.clock + self._seconds_of(job) + RAY_OVERHEAD
        heapq.heappush(self._busy, (end, next(self._number), job))

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Go on to the end of the next job."""
        if self._busy:
            self.clock, _, job = heapq.heappop(self._busy)
            yield job, Outcome("finished")


def simulate(jobs: Sequence[Job], workers: int, seconds_of: Callable[[Job], float]) -> float:
    """Return the seconds that jobs take in the real order on so many workers.

    Example:
        >>> from vlprompt_pipeline.sweep.job import Job
        >>> jobs = [Job(f"cell {n}", ".", {}, group=str(n)) for n in range(10)]
        >>> round(simulate(jobs, 4, lambda job: 60.0))  # three rounds
        180
    """
    engine = SimulatedEngine(workers, seconds_of)
    hand_out(jobs, engine, Watch(len(jobs), quiet=True), lambda job: job)
    return engine.clock
