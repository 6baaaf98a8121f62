"""Random faults over running sweeps on a Ray of two nodes, with real Kedro sessions.

Run: python tests/sweep/chaos.py --faults 100 --seed 3

Each round sweeps over a tiny grid in a fresh project, while workers are killed, run out of memory,
raise, find the disk full and MLflow's database locked (faults.py), while the database is locked
from outside, a node of the cluster is killed and another one joins, and the driver is killed and
the same command given again. The round must end with the files of a sweep without faults in one
process, bit for bit, with manifests that fit, and with one finished run in MLflow for each cell and
one for each of its methods. At the end the same faults must be too much for a sweep without
retries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where it is run as a script

from pipelines.killed_sweeps import METHODS, require_one_run_a_cell, require_the_same, results
from pipelines.project import QUICK, Project, merged
from sweep import faults
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.filesystem.manifests import FOLDER, described_as
from vlprompt_pipeline.sweep import Options, grid, run_cells, runs
from vlprompt_pipeline.sweep.engines import RAY_VARIABLES, RayEngine, Resources

TESTS = Path(__file__).resolve().parents[1]
OUTSIDE = ("locked", "node", "driver")
KINDS = (*faults.IN_CELLS, *OUTSIDE)
SEEDS = [*range(1, 8)]
A_ROUND = 11  # faults, three of them from outside; a cell has at most two of its own
PARAMS = {"methods": METHODS, "tracking": {"enabled": True}}
_LOOK = 0.05  # seconds
_ENOUGH = 900.0  # seconds for a round; a busy machine needs minutes

_fork = multiprocessing.get_context("forkserver")


def drive(root: str, address: str, retries: int, seeds: Sequence[int]) -> None:
    """`kedro sweep` on a Ray whose workers are struck, or in this process."""
    log = os.open(Path(root) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for handle in (1, 2):
        os.dup2(log, handle)
    torch.set_num_threads(1)
    faults.set_up()
    engine = "ray" if address else "local"
    if address:
        runs.start_engine = lambda options: RayEngine(options.resources, faults.run_with_faults)
    options = Options(engine, Resources(retries=retries, address=address))
    project = Project(Path(root))
    project.bootstrap()
    run_cells(grid(seed=list(seeds)), project.root, None, merged(QUICK, PARAMS), options)


def driver(
    project: Project, address: str, retries: int = 3, seeds: Sequence[int] = tuple(SEEDS)
) -> Any:
    """A process that sweeps, started."""
    process = _fork.Process(
        target=drive, args=(str(project.root), address, retries, seeds), daemon=True
    )
    process.start()
    return process


def require_ended(process: Any, project: Project) -> None:
    """It ends, and well."""
    process.join(_ENOUGH)
    words = (project.root / "log.txt").read_text(errors="replace")[-4000:]
    assert process.exitcode == 0, f"a sweep ended with {process.exitcode}:\n{words}"


@dataclass
class Cluster:
    """A Ray of two nodes with a worker each, of which one may be lost."""

    ray: Any = None
    address: str = ""
    second: Any = None

    def __enter__(self) -> Cluster:
        """Start both nodes."""
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        os.environ |= RAY_VARIABLES
        from ray.cluster_utils import Cluster as RayCluster

        self.ray = RayCluster()
        self._add(include_dashboard=False, no_monitor=True)
        self.address = self.ray.address
        self.second = self._add()
        return self

    def __exit__(self, *error: object) -> None:
        """End all nodes."""
        self.ray.shutdown()

    def lose_a_node(self) -> None:
        """Kill the second node with its workers, and let another one join."""
        self.ray.remove_node(self.second, allow_graceful=False)
        self.second = self._add()

    def _add(self, **node: Any) -> Any:
        return self.ray.add_node(num_cpus=1, include_log_monitor=False, **node)


@dataclass
class Round:
    """One sweep over the grid with faults.

    Attributes:
        project: in which it runs.
        cluster: on which it runs.
        chance: that decides.
        struck: how often each kind struck.
    """

    project: Project
    cluster: Cluster
    chance: random.Random
    struck: Counter[str] = field(default_factory=Counter)

    @property
    def folder(self) -> Path:
        """Where cells find their faults."""
        return self.project.root / "faults"

    def plan(self, kinds: Sequence[str]) -> None:
        """Write down the faults of cells."""
        for state in ("due", "taken", "struck"):
            (self.folder / state).mkdir(parents=True)
        for number, kind in enumerate(kinds):
            (self.folder / f"due/{number:02d}-{kind}").touch()

    def run(self, kinds: Sequence[str]) -> None:
        """Sweep until all cells are finished and in MLflow."""
        self.plan([kind for kind in kinds if kind in faults.IN_CELLS])
        outside = [kind for kind in kinds if kind in OUTSIDE]
        moments = sorted(self.chance.randint(1, len(SEEDS) - 1) for _ in outside)
        plan = list(zip(moments, outside, strict=True))
        process, end = driver(self.project, self.cluster.address), time.monotonic() + _ENOUGH
        while process.is_alive() or plan:
            assert time.monotonic() < end, "a sweep does not end"
            if not process.is_alive():  # it ended before they came
                break
            if plan and faults.begun(self.folder) >= plan[0][0]:
                process = self.strike(plan.pop(0)[1], process)
            faults.give_back(self.folder)
            time.sleep(_LOOK)
        require_ended(process, self.project)
        require_ended(driver(self.project, self.cluster.address), self.project)  # what MLflow lacks
        self.struck.update(
            file.name.partition("-")[2] for file in (self.folder / "struck").iterdir()
        )

    def strike(self, kind: str, process: Any) -> Any:
        """Strike from outside; returns the process that sweeps from now on."""
        match kind:
            case "locked":
                self.lock()
            case "node":
                self.cluster.lose_a_node()
            case "driver":
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                process = driver(self.project, self.cluster.address)
        self.struck[kind] += 1
        return process

    def lock(self) -> None:
        """Keep MLflow's database to ourselves for some seconds."""
        file = self.project.root / "mlflow.db"
        with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(self.chance.uniform(0.5, 6))
            connection.execute("ROLLBACK")


def require_whole_files(project: Project) -> None:
    """Every file that has a manifest is what that says."""
    described = 0
    for manifest in project.data.glob(f"**/{FOLDER}/*.manifest"):
        file = manifest.parents[1] / manifest.name.removesuffix(".manifest")
        assert sha256_file(file) in described_as(file), f"{file} is torn"
        described += 1
    assert described > len(SEEDS)


def series(folder: Path, number: int, seed: int, most_rounds: int = 30) -> Counter[str]:
    """Rounds until so many faults have struck; returns how often each kind did."""
    chance = random.Random(seed)
    print(f"seed of the faults: {seed}", flush=True)
    struck: Counter[str] = Counter()
    alone = Project.create(folder / "alone")
    with Cluster() as cluster:
        require_ended(driver(alone, ""), alone)
        undisturbed = results(alone)
        for turn in range(most_rounds):
            missing = [kind for kind in KINDS if not struck[kind]]
            left = max(number - struck.total(), len(missing))
            if not left:
                break
            kinds = missing + [kind for kind in OUTSIDE if kind not in missing]
            more = min(left, A_ROUND) - len(kinds)
            kinds += chance.choices(faults.IN_CELLS, k=max(more, 0))
            kinds = kinds[: max(min(left, A_ROUND), len(missing))]
            chance.shuffle(kinds)
            this = Round(Project.create(folder / f"round{turn}"), cluster, chance)
            begin = time.monotonic()
            this.run(kinds)
            require_the_same(this.project, undisturbed)
            require_whole_files(this.project)
            require_one_run_a_cell(this.project, SEEDS)
            struck += this.struck
            took = time.monotonic() - begin
            print(f"{dict(this.struck)}: {took:.0f} s, {struck.total()} faults", flush=True)
            shutil.rmtree(this.project.root)
        assert not set(KINDS) - set(struck), f"never struck: {set(KINDS) - set(struck)}"
        without_retries(folder, cluster)
    return struck


def without_retries(folder: Path, cluster: Cluster) -> None:
    """A worker killed and an error fail their cells where none is tried again; the rest goes on."""
    this = Round(Project.create(folder / "without_retries"), cluster, random.Random(0))
    this.plan(["killed", "raised"])
    seeds = SEEDS[:3]
    process = driver(this.project, cluster.address, 0, seeds)
    process.join(_ENOUGH)
    words = (this.project.root / "log.txt").read_text()
    assert process.exitcode == 1, f"a sweep without retries stood it:\n{words}"
    assert f"2 of {len(seeds)} cells failed, the others are finished" in words, words
    assert "its worker died in each of 1 tries" in words, words
    print("without retries two of three cells failed", flush=True)


def main() -> None:
    """Print what struck; ends with an error where a sweep does not stand it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["OMP_NUM_THREADS"] = "1"
    _fork.set_forkserver_preload(["sweep.chaos", "mlflow"])
    with tempfile.TemporaryDirectory() as folder:
        struck = series(Path(folder), given.faults, given.seed)
    print(f"{struck.total()} faults struck: {dict(sorted(struck.items()))}")


if __name__ == "__main__":
    main()
