"""What a sweep would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from vlprompt_pipeline.sweep.grid import Cell
from vlprompt_pipeline.sweep.plan import plan, seconds_by_method
from vlprompt_pipeline.sweep.watch import as_time

_SHOWN = 40  # cells; more make no better list


def print_plan(
    cells: Sequence[Cell], project: Path, env: str | None, params: Mapping[str, Any]
) -> None:
    """Print the cells, why each is due, and the time that the due ones take one after the other.

    Images are not looked at: changed ones are noticed when the sweep starts.
    """
    planned = plan(cells, project, env, params)
    due = [(each, why) for each in planned if (why := each.why_due())]
    for each, why in due[:_SHOWN]:
        click.echo(f"due       {each.name}: {why}")
    if len(due) > _SHOWN:
        click.echo(f"          … and {len(due) - _SHOWN:,} more")
    click.echo(f"{len(planned):,} cells: {len(planned) - len(due):,} finished, {len(due):,} due")
    seconds = seconds_by_method(planned)
    unknown = sorted({m for each, _ in due for m in each.methods if m not in seconds})
    total = sum(seconds.get(m, 0.0) for each, _ in due for m in each.methods)
    if due and seconds:
        click.echo(f"about {as_time(total)} one after the other, as finished cells here took")
    if unknown:
        click.echo(f"not known yet how long: {', '.join(unknown)} (docs/scaling.md has a model)")
