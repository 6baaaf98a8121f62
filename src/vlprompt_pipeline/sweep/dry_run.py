"""What a sweep would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

from vlprompt_pipeline.filesystem.places import bring
from vlprompt_pipeline.pipelines.namespaces import METHODS
from vlprompt_pipeline.sweep.grid import GridCell
from vlprompt_pipeline.sweep.plan import PlannedCell
from vlprompt_pipeline.sweep.runs import Options, checked_plan
from vlprompt_pipeline.sweep.simulation import simulate
from vlprompt_pipeline.sweep.watch import as_time
from vlprompt_pipeline.wording import counted

_SHOWN = 40  # due cells that are listed


def print_plan(
    cells: Sequence[GridCell],
    project: Path,
    env: str | None,
    params: Mapping[str, Any],
    options: Options,
    price: float | None = None,
) -> None:
    """Print the cells, why each is due, and how long the due ones take.

    Images are not looked at, which would take long. The time is that of a simulated sweep with the
    same order of jobs and number of workers, from the times of finished cells with this CLIP that
    were trained alone. `price` is what a worker costs an hour, in any currency.
    """
    planned = checked_plan(cells, project, env, params, options)
    due = [(cell, why) for cell in planned if (why := cell.why_due())]
    for cell, why in due[:_SHOWN]:
        click.echo(f"due       {cell.name}: {why}")
    if len(due) > _SHOWN:
        click.echo(f"          … and {len(due) - _SHOWN:,} more")
    click.echo(
        f"{counted(len(planned), 'cell')}: {len(planned) - len(due):,} finished, {len(due):,} due"
    )
    seconds = seconds_by_method(planned)
    unknown = sorted({m for cell, _ in due for m in cell.methods if m not in seconds})
    took = {cell.name: sum(seconds.get(m, 0.0) for m in cell.methods) for cell, _ in due}
    if any(took.values()):
        jobs = [cell.job() for cell, _ in due]
        those = "finished cells here took" + (", without methods below" if unknown else "")
        for number in sorted({1, options.resources.workers or 1}):
            end = simulate(jobs, number, lambda job: took[job.name])
            cost = f", {number * end / 3600 * price:,.2f} in all" if price else ""
            where = "one after the other" if number == 1 else f"on {number} workers"
            click.echo(f"about {as_time(end)} {where}{cost}, as {those}")
    if unknown:
        click.echo(f"not known yet how long: {', '.join(unknown)} (docs/scaling.md has a model)")
    if len(due) < len(planned):
        click.echo(
            "images were not looked at: if they have changed, the sweep finds more cells due"
        )


def seconds_by_method(planned: Sequence[PlannedCell]) -> dict[str, float]:
    """Return the median seconds that a method took in finished cells where it trained alone.

    Only cells with the same CLIP count: with another one they take minutes or days.
    """
    first = planned[0]
    folder = first.data.root / "08_reporting/reproducibility" / first.parameters.clip.name
    methods = {method for cell in planned for method in cell.methods}
    measured = {method: list(_measured(folder, method)) for method in methods}
    return {method: median(seconds) for method, seconds in measured.items() if seconds}


def _measured(folder: Path, method: str) -> Iterator[float]:
    bring(folder, f"/{method}/reproducibility.json")
    for file in folder.glob(f"*/*/*/*/{method}/reproducibility.json"):
        try:
            run = json.loads(file.read_text(encoding="utf-8"))["runs"][-1]
            if run["parameters"].get("side_by_side", {}).get("seeds"):
                continue
            of_method = sum(
                seconds
                for node, seconds in (run["nodes"] or {}).items()
                if node.startswith(f"{METHODS}.{method}.")
            )
            yield of_method or run["seconds"]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # a broken record
            continue
