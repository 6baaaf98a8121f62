"""The calls to MLflow behind the tracking hook. The only module of the hooks that imports it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric

_BATCH = 1000  # metrics a call, MLflow's limit
_MESSAGE = 500


def use(uri: str, experiment: str, project: Path) -> None:
    """Record into `experiment` at `uri`; a local database keeps its artifacts under the project."""
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(experiment) is None:
        local = uri.startswith("sqlite:")
        mlflow.create_experiment(experiment, (project / "mlruns").as_uri() if local else None)
    mlflow.set_experiment(experiment)


def open_parent(name: str, parameters: Mapping[str, Any], pipelines: list[str]) -> None:
    """Start the run that stands for a `kedro run`."""
    mlflow.start_run(run_name=name)
    mlflow.set_tag("kedro.pipelines", ", ".join(pipelines))
    mlflow.log_params(flatten(parameters))


def log_child(
    method: str, recipe: Mapping[str, Any], catalog: Any, outputs: Mapping[str, str]
) -> None:
    """A run of its own, under the parent, for what one method left."""
    with mlflow.start_run(run_name=method, nested=True):
        mlflow.set_tag("method", method)
        mlflow.log_params(flatten(recipe))
        log_outputs(catalog, outputs)


def log_outputs(catalog: Any, outputs: Mapping[str, str]) -> None:
    """Log outputs to the active run, each in the way the catalog names.

    Raises:
        ValueError: the catalog names another way.
    """
    for name, kind in outputs.items():
        if kind == "metrics":
            numbers = flatten(catalog.load(name))
            mlflow.log_metrics({k: v for k, v in numbers.items() if isinstance(v, int | float)})
        elif kind == "history":
            _log_curves(catalog.load(name))
        elif kind != "artifact":
            raise ValueError(
                f"{name}: metadata.mlflow: {kind}; allowed: artifact, metrics, history"
            )
        if kind != "metrics":
            mlflow.log_artifact(str(catalog.get(name).filepath))


@contextmanager
def closing() -> Iterator[None]:
    """End the active run FINISHED, or FAILED if logging its outputs fails."""
    try:
        yield
    except Exception as error:
        fail(str(error))
        raise
    mlflow.end_run("FINISHED")


def fail(message: str) -> None:
    """End the active run FAILED, with the reason."""
    mlflow.set_tag("error", message[:_MESSAGE])
    mlflow.end_run("FAILED")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value})
    return flat


def _log_curves(history: pd.DataFrame) -> None:
    """Every numeric column over epochs."""
    run = mlflow.active_run().info.run_id
    points = _points(history)
    while chunk := list(islice(points, _BATCH)):  # itertools.batched came with Python 3.12
        mlflow.MlflowClient().log_batch(run, metrics=chunk)


def _points(history: pd.DataFrame) -> Iterator[Metric]:
    now = int(time.time() * 1000)
    for column in history.select_dtypes("number").columns.difference(["epoch"]):
        for epoch, value in zip(history["epoch"], history[column], strict=True):
            if pd.notna(value):
                yield Metric(f"epoch.{column}", float(value), now, int(epoch))
