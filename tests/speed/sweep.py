"""What a sweep costs its driver, and how much sooner it ends with two workers.

Run: python tests/speed/sweep.py simulated         # 100,000 cells through the real schedule
     python tests/speed/sweep.py overhead          # of a task of Ray, in seconds
     python tests/speed/sweep.py published         # the published grid of CoOp, by a cost model
     python tests/speed/sweep.py engines FOLDER    # 36 demo cells: local with one and all threads,
                                                   # Ray with two workers; the same bits
     python tests/speed/sweep.py groups FOLDER     # the same cells alone and side by side

The last two work in new projects below FOLDER. Their ratios are worth something on an idle machine
alone, where nothing else wants the cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median
from typing import NamedTuple

from kedro.framework.startup import bootstrap_project

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vlprompt_pipeline.sweep.job import Job, Outcome
from vlprompt_pipeline.sweep.simulation import simulate

ROOT = Path(__file__).resolve().parents[2]
GRID = ["--datasets=demo_flags,demo_counts,demo_patterns", "--seeds=1,2,3"]
METHODS = "--methods=coop,qcoop,rlp,kgcoop"


def simulated(cells: int) -> None:
    """Driver seconds and bytes a cell; its limits are 2 ms and 10 kB."""
    for workers in (8, 64):
        jobs = [
            Job(f"cell {n}", "/project", {"seed": n}, group=f"group {n // 4}") for n in range(cells)
        ]
        lengths = {job.name: 20.0 + job.params["seed"] % 7 for job in jobs}
        begin = time.perf_counter()
        end = simulate(jobs, workers, lambda job, lengths=lengths: lengths[job.name])
        seconds = time.perf_counter() - begin
        tracemalloc.start()
        jobs = [
            Job(f"cell {n}", "/project", {"seed": n}, group=f"group {n // 4}") for n in range(cells)
        ]
        simulate(jobs, workers, lambda job: 20.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(
            f"{cells:,} cells on {workers} workers: {1000 * seconds / cells:.3f} ms and "
            f"{peak / cells / 1000:.2f} kB of the driver a cell; simulated end after "
            f"{end / 3600:.2f} h, workers busy {sum(lengths.values()) / workers / end:.1%}"
        )


# Classes and test images of the published splits.
SIZES = {
    "imagenet": (1000, 50_000),
    "caltech101": (100, 2_465),
    "oxford_pets": (37, 3_669),
    "stanford_cars": (196, 8_041),
    "oxford_flowers": (102, 2_463),
    "food101": (101, 30_300),
    "fgvc_aircraft": (100, 3_333),
    "sun397": (397, 19_850),
    "dtd": (47, 1_692),
    "eurosat": (10, 8_100),
    "ucf101": (101, 3_783),
}


class Machine(NamedTuple):
    """A worker: seconds of a CoOp step beside and for each class, the least, and images a second.

    Measured: docs/performance.md for the CPU; an NVIDIA H100 in single precision, whose step waits
    for the host up to some 300 classes. `start` is what a cell takes beside its steps.
    """

    step: float
    a_class: float
    least: float
    images: float
    start: float


MACHINES = {
    "2 CPU cores": Machine(0.010, 0.0047, 0.0, 4.6, 3.0),
    "H100": Machine(0.0, 0.000062, 0.020, 862.0, 3.0),
}


def published_jobs() -> list[Job]:
    """Few-shot and base-to-new on the eleven datasets, and the source cells of the other two."""
    from vlprompt_pipeline.methods import Situation, recipes_in, resolve_recipe
    from vlprompt_pipeline.protocol_runs import configured

    bootstrap_project(ROOT)
    recipes = configured(ROOT, None, "vit_b16", {}).recipes
    asked = [("few_shot", name, shots) for name in SIZES for shots in (1, 2, 4, 8, 16)]
    asked += [("base_to_new", name, 16) for name in SIZES]
    asked += [(name, "imagenet", 16) for name in ("cross_dataset", "domain_generalisation")]
    jobs = [Job(name, ".", {}, group="shared", kind="shared") for name in SIZES]
    for protocol, dataset, shots in asked:
        training = resolve_recipe(
            "coop", recipes_in(Situation(protocol, dataset, shots), recipes)
        ).training
        classes = SIZES[dataset][0] // (2 if protocol == "base_to_new" else 1)
        steps = training.in_epochs(1).epochs * max(1, classes * shots // training.batch_size)
        jobs += [
            Job(
                f"{protocol} {dataset} {shots} {seed}",
                ".",
                {"classes": classes, "steps": steps},
                group=f"{dataset} {shots} {seed}",
                after=dataset,
            )
            for seed in (1, 2, 3)
        ]
    return jobs


def published() -> None:
    """Hours of the published grid of one method, on some numbers of workers."""
    jobs = published_jobs()
    for name, number in (("2 CPU cores", 1), ("H100", 1), ("H100", 8), ("H100", 64)):
        machine = MACHINES[name]

        def seconds(job: Job, machine: Machine = machine) -> float:
            if job.kind == "shared":
                return SIZES[job.name][1] / machine.images
            step = machine.step + machine.a_class * job.params["classes"]
            return machine.start + job.params["steps"] * max(machine.least, step)

        end = simulate(jobs, number, seconds)
        hours, cells = end / 3600, len(jobs) - len(SIZES)
        print(f"{cells} cells on {number} × {name}: {hours:,.1f} h, {number * hours:,.1f} paid")


def nothing(job: Job) -> Outcome:
    """A cell without work."""
    return Outcome("finished")


def overhead(tasks: int) -> None:
    """Seconds of the wall that a task of Ray takes through the engine, on two workers."""
    from vlprompt_pipeline.sweep.engines import RayEngine, Resources
    from vlprompt_pipeline.sweep.schedule import hand_out
    from vlprompt_pipeline.sweep.watch import Watch

    engine = RayEngine(Resources(workers=2), nothing)
    each = []
    for round_ in range(4):
        jobs = [Job(f"{round_} {n}", ".", {}, group=str(n)) for n in range(tasks)]
        begin, busy = time.perf_counter(), time.process_time()
        hand_out(jobs, engine, Watch(tasks, quiet=True), lambda job: job)
        each.append((time.perf_counter() - begin, time.process_time() - busy))
    wall, driver = (median(values) / tasks for values in zip(*each[1:], strict=True))
    print(f"a task: {1000 * wall:.2f} ms on the wall, {1000 * driver:.2f} ms of the driver")
    engine.stop(at_once=True)


def engines(folder: Path) -> None:
    """Seconds of 36 cells with each engine, and whether the prompts are the same."""
    seconds, prompts = timed_sweeps(
        folder,
        {
            "local, one thread": (["--engine=local"], {"OMP_NUM_THREADS": "1"}),
            "local, all cores": (["--engine=local", "--params=threads=2"], {}),
            "ray, two workers": (["--engine=ray", "--workers=2"], {"OMP_NUM_THREADS": "1"}),
        },
    )
    one, everything, ray = seconds.values()
    same = prompts["local, one thread"] == prompts["ray, two workers"]
    print(f"ray over the faster local: {ray / min(one, everything):.2f}; same prompts: {same}")


def groups(folder: Path) -> None:
    """Seconds of 36 cells, each trained alone, and three seeds of three recipes together."""
    seconds, _ = timed_sweeps(
        folder,
        {"each alone": (["--side-by-side=off"], {}), "in groups": (["--side-by-side=on"], {})},
    )
    print(f"in groups over each alone: {seconds['in groups'] / seconds['each alone']:.2f}")


def timed_sweeps(
    folder: Path, ways: dict[str, tuple[list[str], dict[str, str]]]
) -> tuple[dict[str, float], dict[str, dict[str, str]]]:
    """Return seconds of a sweep in a new project, and hashes of its prompts, by way.

    A way is options of the command, and variables of its environment.
    """
    seconds, prompts = {}, {}
    for name, (options, variables) in ways.items():
        project = folder / name.replace(", ", "_").replace(" ", "_")
        shutil.copytree(ROOT / "conf", project / "conf", ignore=shutil.ignore_patterns("local"))
        for file in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / file, project)
        (project / "src").mkdir()
        (project / "conf/local").mkdir()
        command = [sys.executable, "-m", "kedro", "sweep", *GRID, METHODS, *options]
        begin = time.perf_counter()
        subprocess.run(
            command, cwd=project, env={**os.environ, **variables}, check=True, capture_output=True
        )
        seconds[name] = time.perf_counter() - begin
        prompts[name] = {
            str(file.relative_to(project)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(project.glob("data/06_models/**/prompt.vlp"))
        }
        print(f"{name}: {seconds[name]:.1f} s, {len(prompts[name])} prompts", flush=True)
    return seconds, prompts


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["simulated", "overhead", "published", "engines", "groups"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--cells", type=int, default=100_000)
    given = parser.parse_args()
    if given.what == "simulated":
        simulated(given.cells)
    elif given.what == "overhead":
        overhead(1000)
    elif given.what == "published":
        published()
    else:
        {"engines": engines, "groups": groups}[given.what](given.folder)


if __name__ == "__main__":
    main()
