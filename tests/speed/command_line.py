"""What `vlprompt --help` takes beside Python alone.

Run: python tests/speed/command_line.py

Both sides are processes of their own, started in turn; seconds of wall time, medians.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

REPEATS = 15
SIDES = {
    "python": "pass",
    "vlprompt --help": "from vlprompt_pipeline.apps import main; main(['--help'])",
}


def seconds(code: str) -> float:
    """Wall time of a process."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return perf_counter() - start


if __name__ == "__main__":
    times = {name: [] for name in SIDES}
    for _ in range(REPEATS):
        for name, code in SIDES.items():
            times[name].append(seconds(code))
    alone, command = (median(values) for values in times.values())
    print(f"python {alone:.3f} s, vlprompt --help {command:.3f} s: {command - alone:.3f} s more")
