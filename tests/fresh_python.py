"""A process of its own: it has imported nothing yet, and reads its environment anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def printed(
    code: str, *arguments: object, cwd: Path | None = None, given: str = "", **variables: str
) -> str:
    """What Python prints of some code, which must end well.

    It finds this checkout and the modules of the tests. Variables of the hub are left out but for
    those that are given.
    """
    environment = {key: text for key, text in os.environ.items() if not key.startswith("HF_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        cwd=cwd,
        input=given,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
