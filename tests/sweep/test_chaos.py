"""Random faults of every kind over sweeps on a Ray of two nodes.

Their short form, with cells that take no time, is in test_ray.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.chaos import KINDS

NO_ROOM = "The current node timed out during startup"  # Ray on a machine that is too busy


@pytest.mark.long
@pytest.mark.parametrize("faults", [len(KINDS), 100])
def test_sweeps_with_faults_end_as_if_undisturbed(faults):
    """In a process of its own, whose Ray is not that of the other tests."""
    pytest.importorskip("ray")
    command = [sys.executable, Path(__file__).with_name("chaos.py"), f"--faults={faults}"]
    variables = {name: text for name, text in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if NO_ROOM in done.stdout + done.stderr:
        pytest.skip("Ray cannot be started here")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    assert "seed of the faults: 3" in done.stdout
    assert "without retries two of three cells failed" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert all(f"'{kind}': " in last for kind in KINDS)
