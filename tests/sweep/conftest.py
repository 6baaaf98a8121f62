"""One Ray for all tests of this folder; they are skipped where it cannot be started in time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click
import pytest

from vlprompt_pipeline.sweep.engines import RayEngine, Resources


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a Ray with two workers, which the tests join; RAY_ADDRESS names another one.

    It is started as a sweep starts its own.
    """
    ray = pytest.importorskip("ray")
    if given := os.environ.get("RAY_ADDRESS"):
        yield given
        return
    try:
        RayEngine(Resources(workers=2))
    except click.ClickException as error:
        if isinstance(error.__context__, ValueError):
            raise  # a wrong argument of ours, not a machine that is too slow
        pytest.skip(f"Ray cannot be started here: {error.message}")
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
