"""A Kedro project in a temporary folder, with this project's conf and miniature datasets."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.runner import AbstractRunner, ParallelRunner

from vlprompt_pipeline.image_datasets import IMAGE_DATASETS, ImageDataset, PartCounts
from vlprompt_pipeline.image_datasets.rendered import render_dataset

ROOT = Path(__file__).resolve().parents[2]
DATASET = "demo_counts"
CLASSES = 6
PER_CLASS = PartCounts(train=5, val=1, test=4)
CELL = f"demo/{DATASET}/base_to_new/shots4/seed1"

QUICK = {
    "dataset": DATASET,
    "shots": 4,
    "device": "cpu",
    "methods": ["zero_shot", "coop", "qcoop"],
    "features": {"views": 2},
    "recipes": {"coop": {"training": {"epochs": 3, "batch_size": 4}}},
    "tracking": {"enabled": False},
}


def miniature(name: str = DATASET) -> ImageDataset:
    """A rendered dataset of a few classes with a few pictures each, in place of the whole one."""
    counts = PER_CLASS._asdict()
    return replace(
        IMAGE_DATASETS[name],
        classes=CLASSES,
        counts=PartCounts(**{part: CLASSES * number for part, number in counts.items()}),
        make=partial(render_dataset, name, images_per_class=counts, first_classes=CLASSES),
    )


@dataclass(frozen=True)
class Project:
    """A project folder in which real Kedro sessions run."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Project:
        """Copy what Kedro needs: conf, the project's description, and nobody's telemetry."""
        shutil.copytree(ROOT / "conf", root / "conf", ignore=shutil.ignore_patterns("local"))
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, root)
        for name in ("src", "data", "conf/local"):
            (root / name).mkdir()
        return cls(root)

    @property
    def data(self) -> Path:
        """The folder of all data."""
        return self.root / "data"

    def run(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        stages: tuple[str, ...] = (),
        report: bool = False,
        runner: AbstractRunner | None = None,
    ) -> None:
        """One `kedro run` in this process, with `params` over those that make it quick.

        Without stages it is a whole one, but for the report that takes a third of its time and is
        written where it is asked for.
        """
        names = list(stages) or ([] if report else ["cell"])
        with self.session(params) as session:
            session.run(pipeline_names=names, runner=runner)

    def bootstrap(self) -> None:
        """Make this the project that Kedro works on."""
        bootstrap_project(self.root)

    def session(self, params: Mapping[str, Any] | None = None) -> KedroSession:
        """A session that has not run yet."""
        self.bootstrap()
        return KedroSession.create(self.root, runtime_params=merged(QUICK, params or {}))

    def refusal(self, params: Mapping[str, Any] | None = None, **how: Any) -> str:
        """The sentence that a run with wrong input ends with; it must leave no half file."""
        with pytest.raises(click.ClickException) as caught:
            self.run(params, **how)
        if self.data.is_dir():
            assert [path for path in self.data.rglob(".*") if path.is_file()] == []
        return caught.value.message

    def nodes(self, params: Mapping[str, Any], stage: str = "__default__") -> set[str]:
        """Names of the nodes that a run with these parameters would have."""
        with self.session(params) as session:
            session.load_context()
            return {node.name for node in pipelines[stage].nodes}

    def path(self, layer: str, name: str = "", cell: str = CELL) -> Path:
        """A path of a cell under data/`layer`."""
        return self.data / layer / cell / name

    def json(self, layer: str, name: str, cell: str = CELL) -> Any:
        """A JSON file of a cell."""
        return json.loads(self.path(layer, name, cell).read_text())

    def report(self) -> pd.DataFrame:
        """The table of the report, by method."""
        return pd.read_csv(self.data / "08_reporting/report.csv").set_index("method")

    def files(self) -> dict[str, bytes]:
        """Everything under data by its path, without pictures, what was measured and manifests."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file()
            and not {"01_raw", "reproducibility", ".manifests", "locks"} & set(path.parts)
        }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one, `over` winning."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


if __name__ == "__main__":  # worker processes are forked, which must be before torch has threads
    folder, given = sys.argv[1:]
    IMAGE_DATASETS[DATASET] = miniature()
    Project(Path(folder)).run(json.loads(given), report=True, runner=ParallelRunner())
