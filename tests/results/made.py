"""Finished cells made by hand: a record, and the predictions that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vlprompt_pipeline.results.compare import compare
from vlprompt_pipeline.results.compare_beside import compare_beside
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.results import Comparison

CLASSES = 10
TITLES = {"zero_shot": "Zero-shot CLIP", "coop": "CoOp", "qcoop": "QCoOp, 1 bit"}
SIZES = {
    "trainable_parameters": 2048,
    "payload_bytes": 4096,
    "file_bytes": 4200,
    "fp16_bytes": 4096,
    "inference_cost": 1.0,
}


def right(share: float, images: int = 200, seed: int = 0) -> np.ndarray:
    """Right or wrong for each image: so many right, in an order drawn by the seed."""
    answers = np.arange(images) < round(share * images)
    return np.random.default_rng(seed).permutation(answers)


def predictions(halves: Mapping[str, np.ndarray], dataset: str) -> pd.DataFrame:
    """A predictions table; the images depend on dataset and half alone."""
    tables = []
    for half, answers in halves.items():
        label = np.arange(len(answers)) % CLASSES
        tables.append(
            pd.DataFrame(
                {
                    "label": label,
                    "prediction": np.where(answers, label, (label + 1) % CLASSES),
                    "probability": 0.5,
                    "half": half,
                    "path": [f"{dataset}/{half}/{number:05d}.jpg" for number in range(len(label))],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def score(answers: np.ndarray) -> dict[str, object]:
    return {"correct": int(answers.sum()), "total": len(answers), "calibration_error": 5.0}


@dataclass
class Disk:
    """What is on disk: records and predictions by place."""

    records: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        method: str,
        halves: Mapping[str, np.ndarray],
        *,
        targets: Mapping[str, np.ndarray] | None = None,
        bound: bool = False,
        **cell: Any,
    ) -> str:
        """One method in one cell, on base and new classes or on all; its place."""
        protocol = "base_to_new" if "new" in halves or bound else "few_shot"
        cell = {
            "protocol": protocol,
            "dataset": "demo_aerial",
            "shots": 16,
            "seed": 1,
            "clip": "demo",
            "weights_sha256": "a" * 64,
            "split_sha256": "b" * 64,
            "few_shot_sha256": "c" * 64,
            "template_set": "benchmark",
            "code_version": "0.1.0",
        } | cell
        targets = targets or {}
        cell["targets"] = [
            {"dataset": name, "classes": CLASSES, "split_sha256": "d" * 64} for name in targets
        ]
        has_new = cell["protocol"].startswith("base_to_new")
        place = "{clip}/{dataset}/{protocol}/shots{shots}/seed{seed}/".format(**cell) + method
        self.records[place] = {
            "schema_version": 1,
            "cell": cell,
            "classes": {
                "base": [f"disc {number}" for number in range(CLASSES)],
                "new": [f"star {number}" for number in range(CLASSES if has_new else 0)],
            },
            "methods": [
                {
                    "method": method,
                    "title": TITLES.get(method, method),
                    **{half: score(answers) for half, answers in halves.items()},
                    "targets": [] if bound else [score(answers) for answers in targets.values()],
                    **SIZES,
                }
            ],
        }
        self.predictions[place] = predictions(halves, cell["dataset"])
        if not bound:
            for name, answers in targets.items():
                table = predictions({"target": answers}, name)
                self.predictions[f"{place}/targets/{name}"] = table
        return place

    def compare(
        self,
        clip: str = "demo",
        prefix: str = "",
        given: Any = None,
        project: Path | None = None,
        **asked: Any,
    ) -> Comparison:
        """The comparison of all that is here."""
        run = ReportRun(clip, prefix, given or {}, project)
        return compare(*self._read(asked), run, tuple(TITLES))

    def compare_beside(self, place: str, **asked: Any) -> Comparison:
        """The comparison at the end of the run that left the record at this place."""
        record = CellRecord.model_validate(self.records[place])
        return compare_beside(record, *self._read(asked), ReportRun("demo"), tuple(TITLES))

    def _read(self, asked: Mapping[str, Any]) -> tuple[Any, ...]:
        records, problems = read_records(self.records)
        values = {"against": ["zero_shot"], "sweep": "kedro sweep", **asked}
        loaders = {place: _loader(table) for place, table in self.predictions.items()}
        return records, problems, loaders, BenchmarkReportParameters(**values)


def _loader(table: Any) -> Any:
    return table if callable(table) else lambda: table


def base_to_new(
    datasets: Sequence[str] = ("demo_aerial",),
    methods: Sequence[str] = ("zero_shot", "coop"),
    seeds: Sequence[int] = (1, 2, 3),
) -> Disk:
    """A full grid; the methods lie ten points apart, in the order given."""
    disk = Disk()
    for dataset in datasets:
        for number, method in enumerate(methods):
            for seed in seeds:
                spread = 0.0 if method == "zero_shot" else seed / 100
                halves = {
                    "base": right(0.5 + number / 10 + spread),
                    "new": right(0.6 + number / 10 - spread),
                }
                disk.add(method, halves, dataset=dataset, seed=seed)
    return disk


def score_row(comparison: Comparison, **key: Any) -> dict[str, Any]:
    """The one row of the scores with these values."""
    rows = comparison.scores
    for column, value in key.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0].to_dict()
