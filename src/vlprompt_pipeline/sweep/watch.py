"""What a sweep shows: a live table on a terminal, plain lines elsewhere, and failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from vlprompt_pipeline.sweep.job import Job, Outcome

DONE = ("finished", "found", "unrecorded")
"""Statuses of cells that are finished."""


def as_time(seconds: float) -> str:
    """Write a length of time, for instance "2 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass
class Watch:
    """Counts what has happened, and shows it.

    Attributes:
        cells: number of cells of the grid.
        dashboard: address of Ray's page.
        quiet: say nothing.
        counts: number of cells by status.
        running: number of jobs that have been started and not ended.
        failures: jobs that failed, and why.
        unrecorded: why the last of the cells that MLflow lacks was not recorded.
        begun: time of the start, of the monotonic clock.
        live: the table on a terminal.
    """

    cells: int
    dashboard: str = ""
    quiet: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    running: int = 0
    failures: list[tuple[Job, str]] = field(default_factory=list)
    unrecorded: str = ""
    begun: float = field(default_factory=time.monotonic)
    live: Live | None = None

    def __enter__(self) -> Watch:
        """Begin to show."""
        console = Console(stderr=True)
        if console.is_terminal:
            self.live = Live(console=console, get_renderable=self.table, refresh_per_second=2)
            self.live.start()
        if self.dashboard:
            self.say(f"Ray's dashboard: http://{self.dashboard}")
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last table on the terminal."""
        if self.live:
            self.live.stop()

    @property
    def done(self) -> int:
        """Cells that are finished, by this sweep or before it."""
        return sum(self.counts[status] for status in DONE)

    @property
    def time_left(self) -> float | None:
        """Seconds, estimated from the cells this sweep has finished; None before the first."""
        run = self.counts["finished"] + self.counts["unrecorded"]
        left = self.cells - self.done - self.counts["failed"]
        return (time.monotonic() - self.begun) / run * left if run else None

    def table(self) -> Table:
        """Return the numbers as a table of one row."""
        left = self.time_left
        values = {
            "done": f"{self.done:,} of {self.cells:,}",
            "running": f"{self.running:,}",
            "failed": f"{self.counts['failed']:,}",
            "due": f"{self.cells - self.done - self.counts['failed']:,}",
            "time": as_time(time.monotonic() - self.begun),
            "time left": as_time(left) if left is not None else "",
        }
        table = Table(*values)
        table.add_row(*values.values())
        return table

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Count how a job ended, and say so."""
        if job.kind == "shared":  # where it fails, its cells say why
            if outcome.status == "finished":
                self.say(f"{job.name}: {as_time(outcome.seconds)}")
            return
        self.counts[outcome.status] += 1
        if outcome.status == "failed":
            self.failures.append((job, outcome.sentence))
            *_, (_, why) = self.reasons()
            self.say(f"failed: {job.name}: {why}")
        if outcome.status in ("finished", "unrecorded"):
            note = ""
            if outcome.status == "unrecorded":
                note, self.unrecorded = ", MLflow away", outcome.sentence
            number = self.done + self.counts["failed"]
            took = f"{outcome.seconds:.1f} s"
            self.say(f"cell {number:,} of {self.cells:,}: {job.name}: {took}{note}")

    def reasons(self) -> Iterator[tuple[Job, str]]:
        """Yield jobs that failed, and why, or the name of the first that failed alike."""
        first: dict[str, str] = {}
        for job, sentence in self.failures:
            name = first.setdefault(sentence, job.name)
            yield job, sentence if name == job.name else f"as {name}"

    def say(self, sentence: str) -> None:
        """Write a line; on a terminal above the table, which tells of finished cells itself."""
        if self.quiet:
            return
        if self.live:
            if not sentence.startswith("cell "):
                self.live.console.print(sentence, markup=False, highlight=False)
        else:
            click.echo(sentence, err=True)
