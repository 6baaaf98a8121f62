"""What Kedro and MLflow add to a run that has nothing new to compute.

Run: python tests/speed/overhead.py, after `make run`

One side imports the libraries and loads the CLIP, the other is a `kedro run` of a finished cell,
recorded in MLflow. Added is the difference less what the run's steps say they took themselves.
Seconds of wall time, medians.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

REPEATS = 5
PROJECT = Path(__file__).resolve().parents[2]
RUN = [Path(sys.executable).with_name("kedro"), "run"]
CODE = """
import pandas, matplotlib.figure, safetensors.torch
from vlprompt_pipeline import clip, evaluation, export, image_datasets, methods, training
clip.load_clip("embedded")
"""
LIBRARY = [sys.executable, "-c", CODE]


def timed(command: list[str | Path]) -> tuple[float, float]:
    """Wall time of a process, and of the steps it logged."""
    start = perf_counter()
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    wall = perf_counter() - start
    steps = re.findall(r"INFO +([\d.]+) s  ", done.stdout + done.stderr)
    return wall, sum(map(float, steps))


if __name__ == "__main__":
    timed(RUN)  # what is not finished is finished now
    added = []
    for _ in range(REPEATS):  # in turn, so that a busy moment meets both
        library, _ = timed(LIBRARY)
        wall, steps = timed(RUN)
        added.append(wall - steps - library)
        print(f"libraries {library:.2f} s   kedro run {wall:.2f} s, its steps {steps:.2f} s")
    print(f"added by Kedro and MLflow: {median(added):.2f} s")
