"""What the reproducibility record adds to a run that has nothing new to compute.

Run: python tests/speed/record.py, after `make run`

Both sides are in one process: the run as it is, and the hook that writes the records, timed by
itself within it. The first run of a process also asks for versions, machine and commit. Seconds of
wall time, medians of the runs after the first.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from vlprompt_pipeline.hooks.reproducibility import ReproducibilityHook

REPEATS = 7
PROJECT = Path(__file__).resolve().parents[2]
OFF = {"tracking": {"enabled": False}}
spent: list[float] = []


@hook_impl(tryfirst=True)
def timed(self: ReproducibilityHook, run_params: dict, pipeline: Any, catalog: Any) -> None:
    """Write the records, and note how long it took."""
    start = perf_counter()
    written(self, run_params, pipeline, catalog)
    spent.append(perf_counter() - start)


def run() -> float:
    """Wall time of a `kedro run` of all but the report."""
    start = perf_counter()
    with KedroSession.create(PROJECT, runtime_params=OFF) as session:
        session.run(pipeline_names=["cell"])
    return perf_counter() - start


if __name__ == "__main__":
    bootstrap_project(PROJECT)
    written = ReproducibilityHook.after_pipeline_run
    ReproducibilityHook.after_pipeline_run = timed
    whole = [run() for _ in range(REPEATS)]
    print(f"first run: record {spent[0]:.3f} s")
    record, wall = median(spent[1:]), median(whole[1:])
    print(f"then: record {record:.3f} s of a run of {wall:.2f} s, {record / wall:.1%}")
