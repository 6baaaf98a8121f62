"""Whole sweeps killed at random moments, and started again until they end.

Run: python tests/pipelines/killed_sweeps.py --kills 100

A process that has imported everything forks one that sweeps over a tiny grid, first start and
MLflow's database included, and kills it (SIGKILL) after a random part of the time that an
undisturbed sweep takes. Every group of kills, in fresh and in used projects by turns, must end with
the files of the undisturbed sweep, bit for bit, and with one finished run in MLflow for each cell
and one for each of its methods.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where it is run as a script

from forks import exit_code, forked
from pipelines.project import DATASET, QUICK, Project, merged, miniature
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS
from vlprompt_pipeline.sweep import Options, grid, run_cells

METHODS = ["zero_shot", "coop"]
SEEDS = [1, 2]
PARAMS = {"methods": METHODS, "tracking": {"enabled": True}}
_TIMES = re.compile(r"\b20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")


def sweep(
    project: Project,
    params: Mapping[str, Any] = PARAMS,
    seeds: list[int] = SEEDS,
    options: Options | None = None,
) -> None:
    """`kedro sweep` over the seeds."""
    project.bootstrap()
    run_cells(grid(seed=seeds), project.root, None, merged(QUICK, params), options)


def started(work: Callable[[], None], log: Path) -> int:
    """The id of a process that does some work, with its words in a file."""

    def told() -> None:
        sys.stdout = sys.stderr = log.open("a", buffering=1)
        for number in (1, 2):
            os.dup2(sys.stdout.fileno(), number)
        work()

    return forked(told)


def ended(process: int, log: Path) -> None:
    """Wait for a process that must not fail."""
    code, words = exit_code(process), log.read_text(errors="replace")[-4000:]
    assert code == 0, f"a sweep failed:\n{words}"


def killed(project: Project, kills: int, seconds: float, chance: random.Random, log: Path) -> int:
    """Kill the sweep up to so many times, then let it end; returns how often it was killed.

    Later ones find more work done and end sooner: so half of the kills come early.
    """
    number = 0
    for attempt in range(2 * kills):
        if number == kills:
            break
        process = started(lambda: sweep(project), log)
        time.sleep(chance.uniform(0, seconds if attempt % 2 else seconds / 3))
        os.kill(process, signal.SIGKILL)
        number += exit_code(process) < 0
    ended(started(lambda: sweep(project), log), log)
    return number


def results(project: Project) -> dict[str, bytes]:
    """Files of data/02 to 08 without times: those of records, and the date of a page."""
    files = {}
    for path in sorted(project.data.glob("0[2-8]_*/**/*")):
        if path.is_file():
            content = path.read_bytes()
            name = str(path.relative_to(project.data))
            if "reproducibility" in path.parts:
                content = b""
            elif "completion" in path.parts:  # which MLflow has a result may differ
                content = _but_recorded(content) if path.suffix == ".json" else b""
            elif path.suffix in (".html", ".txt", ".md"):
                content = _TIMES.sub("a time", content.decode()).encode()
            files[name] = content
    return files


def _but_recorded(completion: bytes) -> bytes:
    return json.dumps(json.loads(completion) | {"recorded": ""}).encode()


def runs(project: Project) -> tuple[Counter, Counter]:
    """How many runs of each status MLflow has; and finished ones by their name."""
    with closing(sqlite3.connect(project.root / "mlflow.db")) as connection:
        rows = connection.execute("SELECT name, status FROM runs").fetchall()
    return Counter(status for _, status in rows), Counter(
        name for name, status in rows if status == "FINISHED"
    )


def require_one_run_a_cell(project: Project, seeds: list[int] = SEEDS) -> None:
    """One finished run a cell, one below it a method, and none that goes on."""
    statuses, finished = runs(project)
    expected = {f"k4 s{seed} {DATASET} base_to_new": 1 for seed in seeds}
    expected |= {
        f"{method} k4 s{seed} {DATASET} base_to_new": 1 for method in METHODS for seed in seeds
    }
    if len(seeds) > 1:
        expected[f"sweep of {len(seeds)} cells"] = 1
    assert dict(finished) == expected, finished
    assert statuses["RUNNING"] == 0, statuses  # those that were deleted count, too


def require_the_same(project: Project, undisturbed: Mapping[str, bytes], but: str = "") -> None:
    """The same files with the same bytes, without those of a folder of this name."""
    files, undisturbed = (
        {name: content for name, content in each.items() if but not in name.split("/")}
        for each in (results(project), undisturbed)
    )
    assert files.keys() == undisturbed.keys(), sorted(files.keys() ^ undisturbed.keys())
    others = [name for name, content in files.items() if content != undisturbed[name]]
    assert not others, f"other bytes: {others}"


def series(folder: Path, kills: int, a_group: int, chance: random.Random) -> int:
    """Groups of kills in fresh and used projects by turns; returns the number of kills."""
    IMAGE_DATASETS[DATASET] = miniature()
    log = folder / "log.txt"
    alone = Project.create(folder / "alone")
    begin = time.monotonic()
    ended(started(lambda: sweep(alone), log), log)
    seconds = time.monotonic() - begin
    undisturbed = results(alone)
    require_one_run_a_cell(alone)
    used = Project.create(folder / "used")
    if kills > a_group:
        # its report would leave a page of the first seed that the undisturbed sweep has not
        first = partial(sweep, used, seeds=SEEDS[:1], options=Options(report=False))
        ended(started(first, log), log)
    total = group = 0
    while total < kills:
        root = folder / f"group{group}"
        fresh = group % 2 == 0
        if fresh:
            project = Project.create(root)
        else:
            shutil.copytree(used.root, root)
            project = Project(root)
        number = killed(project, min(a_group, kills - total), seconds, chance, log)
        require_the_same(project, undisturbed)
        require_one_run_a_cell(project)
        total, group = total + number, group + 1
        kind = "fresh" if fresh else "used"
        print(f"{kind} project: killed {number} times, then the same files; {total} of {kills}")
        shutil.rmtree(root)
    return total


def main() -> None:
    """Print how often each project was killed; ends with an error where something differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        series(Path(folder), given.kills, 5, random.Random(given.seed))


if __name__ == "__main__":
    main()
