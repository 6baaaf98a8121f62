"""The calls to MLflow behind the tracking hook. The only module of the hooks that imports it.

They go through MLflow's client and not through its active run: an active run that is cut short
ends FINISHED, and starting one asks whether this is a Databricks notebook, at 0.8 s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from vlprompt_pipeline.registry.experiment import experiment_id
from vlprompt_pipeline.reproducibility.environment import code_state

_BATCH = 1000  # metrics a call, MLflow's limit
_REASON = 5000  # characters; MLflow's limit is 8000

StoreError = MlflowException


@dataclass(frozen=True)
class OpenRun:
    """A run that is being recorded: whoever opens one ends it."""

    client: mlflow.MlflowClient
    experiment: str
    run_id: str

    def open_child(
        self, name: str, tags: Mapping[str, str], parameters: Mapping[str, Any]
    ) -> OpenRun:
        """Start a run that stands below this one."""
        tags = {**tags, "mlflow.parentRunId": self.run_id}
        return _open(self.client, self.experiment, name, tags, parameters)

    def tag(self, name: str, value: str) -> None:
        """Mark the run."""
        self.client.set_tag(self.run_id, name, value)

    def log_outputs(self, catalog: Any, outputs: Mapping[str, str]) -> None:
        """Log outputs, each in the way the catalog names.

        Metrics of a target dataset carry its name: those of `coop.dtd.target_metrics` are `dtd.…`.

        Raises:
            ValueError: the catalog names another way.
        """
        for name, kind in outputs.items():
            if kind == "metrics":
                target = "".join(f"{part}." for part in name.split(".")[1:-1])
                self._log_metrics(_numbers(catalog.load(name), target))
            elif kind == "history":
                self._log_metrics(_curves(catalog.load(name)))
            elif kind != "artifact":
                raise ValueError(
                    f"{name}: metadata.mlflow: {kind}; allowed: artifact, metrics, history"
                )
            if kind != "metrics":
                self.client.log_artifact(self.run_id, str(catalog.get(name).filepath))

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the run FINISHED, or FAILED if what is done within fails."""
        try:
            yield
        except Exception as error:
            with suppress(StoreError):  # a store that has just refused may refuse this too
                self.end("FAILED", str(error))
            raise
        self.end("FINISHED")

    def end(self, status: str, reason: str = "") -> None:
        """End the run; the reason stands on its page and, as `error`, in lists of runs."""
        if reason:
            reason = reason[:_REASON]
            tags = [RunTag("error", reason), RunTag("mlflow.note.content", reason)]
            self.client.log_batch(self.run_id, tags=tags)
        self.client.set_terminated(self.run_id, status)

    def _log_metrics(self, points: Iterator[Metric]) -> None:
        while chunk := list(islice(points, _BATCH)):  # itertools.batched came with Python 3.12
            self.client.log_batch(self.run_id, metrics=chunk)


def open_parent(
    uri: str,
    experiment: str,
    project: Path,
    name: str,
    tags: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> OpenRun:
    """Start the run that stands for a `kedro run`, in `experiment` at `uri`.

    A local database keeps its artifacts in the project's folder.

    Raises:
        StoreError: there is no store at `uri`, or it refuses.
    """
    mlflow.set_tracking_uri(uri)  # for MLflow models that are made in the same process
    client = mlflow.MlflowClient(uri)
    found = experiment_id(client, experiment, uri, project / "mlruns")
    return _open(client, found, name, {**tags, **_origin()}, parameters)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value})
    return flat


def _open(
    client: mlflow.MlflowClient,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> OpenRun:
    run = client.create_run(experiment, run_name=name, tags=dict(tags))
    logged = [Param(key, str(value)) for key, value in flatten(parameters).items()]
    client.log_batch(run.info.run_id, params=logged)
    return OpenRun(client, experiment, run.info.run_id)


def _origin() -> dict[str, str]:
    """Who ran what, under the names that MLflow gives these tags."""
    tags = {"mlflow.source.name": "kedro run"}
    with suppress(KeyError, OSError):  # a container's user may have no name
        tags["mlflow.user"] = getuser()
    if commit := code_state(Path(__file__).parents[1]).commit:
        tags["mlflow.source.git.commit"] = commit
    return tags


def _numbers(values: Mapping[str, Any], prefix: str) -> Iterator[Metric]:
    now = int(time.time() * 1000)
    for key, value in flatten(values, prefix).items():
        if isinstance(value, int | float):
            yield Metric(key, float(value), now, 0)


def _curves(history: pd.DataFrame) -> Iterator[Metric]:
    """Every numeric column over epochs."""
    now = int(time.time() * 1000)
    for column in history.select_dtypes("number").columns.difference(["epoch"]):
        for epoch, value in zip(history["epoch"], history[column], strict=True):
            if pd.notna(value):
                yield Metric(f"epoch.{column}", float(value), now, int(epoch))
