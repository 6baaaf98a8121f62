"""Show the progress of long work as a bar with rate and time left, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

Advance = Callable[[int], None]
Progress = Callable[[str, int], AbstractContextManager[Advance]]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def no_progress(title: str, total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda steps: None


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on the terminal, and nothing when the output is not a terminal.

    Where the total is not known the bar only counts.
    """
    console = Console(stderr=True)
    columns = (
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as display:
        task = display.add_task(title, total=total)
        yield lambda steps: display.update(task, advance=steps)
