"""One Ray for all tests of this folder; they are skipped where it cannot be started in time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a Ray with two workers, which the tests join; RAY_ADDRESS names another one."""
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", "0")
    if given := os.environ.get("RAY_ADDRESS"):
        yield given
        return
    try:
        context = ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
    except Exception as error:
        pytest.skip(f"Ray cannot be started here: {error}")
    yield context.address_info["gcs_address"]
    ray.shutdown()
