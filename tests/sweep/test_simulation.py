"""A grid on simulated workers: its end, and what it costs the driver."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from vlprompt_pipeline.sweep.job import Job
from vlprompt_pipeline.sweep.simulation import RAY_OVERHEAD, simulate


def jobs(number: int, a_group: int = 1) -> list[Job]:
    return [Job(f"cell {n}", ".", {"seed": n}, group=f"{n // a_group}") for n in range(number)]


def test_the_end_is_that_of_the_last_worker():
    end = simulate(jobs(10), 4, lambda job: 60.0)
    assert end == pytest.approx(3 * (60 + RAY_OVERHEAD))


def test_cells_of_one_group_do_not_run_at_once():
    end = simulate(jobs(8, a_group=4), 8, lambda job: 10.0)
    assert end == pytest.approx(4 * (10 + RAY_OVERHEAD)), "two groups of four"


def test_cells_wait_for_what_they_share():
    shared = Job("images", ".", {}, group="shared", kind="shared")
    cells = [Job(f"cell {n}", ".", {}, group=str(n), after="images") for n in range(4)]
    end = simulate([shared, *cells], 4, lambda job: 100.0 if job is shared else 10.0)
    assert end == pytest.approx(110 + 2 * RAY_OVERHEAD)


def test_a_long_grid_is_no_burden_to_the_driver():
    """Its limits, 2 ms and 10 kB a cell, are an order above what it takes."""
    number = 5000
    tracemalloc.start()
    begin = time.process_time()
    simulate(jobs(number, a_group=4), 64, lambda job: 20.0)
    seconds = time.process_time() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds / number < 2e-3
    assert peak / number < 10_000
