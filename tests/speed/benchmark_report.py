"""The benchmark report over 300 cells with 20,000 predictions each.

Run: python tests/speed/benchmark_report.py [folder]

Makes the cells of 11 datasets, 9 methods and 3 seeds in a project in a temporary folder (about
700 MB, removed afterwards), with predictions in all of their columns, runs `kedro run
--pipelines=benchmark_report` there in a process of its own and prints its seconds, imports
included, and its highest memory. Seconds of the processor hardly change with other work on the
machine.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
DATASETS, METHODS, SEEDS, IMAGES, CLASSES = 11, 9, 3, 20_000, 100


def write_cells(data: Path) -> None:
    """Records and predictions of the whole grid; methods differ in how often they are right."""
    draw = np.random.default_rng(0)
    for dataset in range(DATASETS):
        hard = draw.random(IMAGES)  # images are as hard for one method as for another
        for method in ["zero_shot", "coop", *(f"method_{n}" for n in range(METHODS - 2))]:
            for seed in range(1, SEEDS + 1):
                right = hard + draw.normal(0, 0.1, IMAGES) < draw.uniform(0.6, 0.8)
                write_cell(data, f"dataset_{dataset}", method, seed, right)


def write_cell(data: Path, dataset: str, method: str, seed: int, right: np.ndarray) -> None:
    """One method in one cell, with the columns that an evaluation writes."""
    place = f"demo/{dataset}/base_to_new/shots16/seed{seed}/{method}"
    half = np.where(np.arange(IMAGES) < IMAGES // 2, "base", "new")
    label = np.arange(IMAGES) % CLASSES
    top = (label[:, None] + np.arange(5)) % CLASSES
    table = pd.DataFrame(
        {
            "label": label,
            "prediction": np.where(right, label, (label + 1) % CLASSES),
            "probability": np.linspace(0, 1, IMAGES, dtype=np.float32),
            "top": list(top),
            "top_probability": list(np.linspace(0, 1, top.size).reshape(top.shape)),
            "entropy": np.linspace(0, 1, IMAGES, dtype=np.float32),
            "half": half,
            "path": [f"images/class_{n % CLASSES:03d}/photo_{n:06d}.jpg" for n in range(IMAGES)],
        }
    )
    file = data / "07_model_output" / place / "predictions.parquet"
    file.parent.mkdir(parents=True)
    table.to_parquet(file)
    scores = {
        name: {"correct": int(right[half == name].sum()), "total": int((half == name).sum())}
        for name in ("base", "new")
    }
    record = {
        "schema_version": 1,
        "cell": {
            "protocol": "base_to_new",
            "dataset": dataset,
            "shots": 16,
            "seed": seed,
            "clip": "demo",
            "weights_sha256": "a" * 64,
            "split_sha256": "b" * 64,
            "few_shot_sha256": "c" * 64,
            "template_set": "benchmark",
            "code_version": "0.1.0",
        },
        "classes": {
            half: [f"{half} class {number}" for number in range(CLASSES)] for half in scores
        },
        "methods": [
            {
                "method": method,
                "title": method,
                **scores,
                "trainable_parameters": 2048,
                "payload_bytes": 4096,
                "file_bytes": 4200,
                "fp16_bytes": 4096,
            }
        ],
    }
    file = data / "08_reporting/records" / f"{place}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record))


def main() -> None:
    """Print what the grid is and what the report took."""
    with TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
        project = Path(folder)
        ignored = shutil.ignore_patterns("local")
        shutil.copytree(ROOT / "conf", project / "conf", ignore=ignored)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project)
        (project / "src").mkdir()
        (project / "conf/local").mkdir()
        write_cells(project / "data")
        cells = DATASETS * METHODS * SEEDS
        print(f"{cells} cells, {IMAGES:,} predictions each, {IMAGES * cells:,} in all")
        command = ["-m", "kedro", "run", "--pipelines=benchmark_report"]
        started = perf_counter()
        subprocess.run(
            [sys.executable, *command, "--params=tracking.enabled=false"],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            check=True,
        )
        seconds = perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{seconds:.1f} s (aim: 30), of the processor {used.ru_utime + used.ru_stime:.1f} s, "
            f"{used.ru_maxrss * 1024 / 1e9:.2f} GB at most (aim: 2)"
        )


if __name__ == "__main__":
    main()
