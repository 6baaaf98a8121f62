"""The calls to MLflow behind the tracking hook. The only module of the hooks that imports it.

There is one run in MLflow for each cell and its settings, and one below it for each method and
what it was made with. A `kedro run` that finds such a run adds what is new to it; one that has made
nothing new adds nothing. So MLflow holds as many runs as there are results, however often
a sweep is started again.

All goes through MLflow's client and not through its active run: an active run that is cut short
ends FINISHED, and starting one asks whether this is a Databricks notebook, at 0.8 s.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.filesystem.places import is_there
from vlprompt_pipeline.hooks.run_descriptions import Description
from vlprompt_pipeline.hooks.run_outputs import LoggedOutput
from vlprompt_pipeline.processes import Process, is_left_behind
from vlprompt_pipeline.registry.experiment import Experiment
from vlprompt_pipeline.reproducibility.differences import flatten

KEY, PROCESS, LOGGED = "vlprompt.key", "vlprompt.process", "vlprompt.logged"
_PARENT = "mlflow.parentRunId"
_ERROR, _NOTE = "error", "mlflow.note.content"
_REASON = 5000  # characters; MLflow's limit is 8000
_DIGEST = 36  # characters of a dataset's digest, MLflow's limit
_RENAMED = {"harmonic_mean": "h", "generalised.harmonic_mean": "generalised.h"}  # as in the tables


@dataclass
class OpenRun:
    """A run that is being recorded; the code that opens it must end it.

    Attributes:
        experiment: where.
        run_id: MLflow's.
        finished: it was found finished, and stays so whatever is logged to it.
        logged: what each output held that is logged already, by name.
        failed_before: the reason of an earlier failure stands on it.
        status_before: that it was found with; none if it is new.
        news: whether anything was logged.
    """

    experiment: Experiment
    run_id: str
    finished: bool = False
    logged: dict[str, str] = field(default_factory=dict)
    failed_before: bool = False
    status_before: str | None = None
    news: bool = False

    @property
    def client(self) -> MlflowClient:
        """Return the client of MLflow."""
        return self.experiment.client

    def child(self, key: str, description: Description) -> OpenRun:
        """Find or start the run below this one that has this key."""
        described = replace(description, tags={**description.tags, _PARENT: self.run_id})
        return find_or_open(self.experiment, f"{self.run_id}/{key}", described)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        rows = [RunTag(name, value) for name, value in tags.items()]
        self.client.log_batch(self.run_id, tags=rows)

    def log_inputs(self, inputs: Sequence[tuple[str, str, str, str]]) -> None:
        """Note the datasets a result was made from: name, digest, folder and use of each."""
        rows = [
            DatasetInput(
                Dataset(name, digest[:_DIGEST], "local", json.dumps({"uri": folder})),
                [InputTag("mlflow.data.context", context)],
            )
            for name, digest, folder, context in inputs
        ]
        if rows and not self.finished:
            self.client.log_inputs(self.run_id, rows)

    def log_outputs(self, outputs: Mapping[str, LoggedOutput]) -> None:
        """Log outputs that are not yet logged with this content, each as the catalog says.

        Metrics of a target dataset carry its name: those of `coop.dtd.target_metrics` are `dtd.…`.

        Raises:
            ValueError: the catalog names another way.
        """
        for name, (dataset, kind) in outputs.items():
            if kind == "artifact" and not dataset.exists():
                continue  # a format that this method has no file of
            content = _digest(dataset)
            if self.logged.get(name) == content:
                continue
            if kind == "metrics":
                target = "".join(f"{part}." for part in name.split(".")[1:-1])
                numbers = _numbers(dataset.load(), target)
                self.client.log_batch(self.run_id, metrics=[*numbers])
            elif kind == "history":
                self.client.log_batch(self.run_id, metrics=[*_curves(dataset.load())])
            elif kind != "artifact":
                raise ValueError(
                    f"{name}: metadata.mlflow: {kind}; allowed: artifact, metrics, history"
                )
            if kind != "metrics":
                self.client.log_artifact(self.run_id, str(dataset.filepath))
            self.logged[name] = content
            self.news = True
            self.client.set_tag(self.run_id, LOGGED, json.dumps(self.logged, sort_keys=True))

    def end(self, status: str, reason: str = "") -> None:
        """End the run; a reason is shown on its page and, as `error`, in lists of runs.

        A run that was found finished keeps its results, and so its status.
        """
        if reason:
            reason = reason[:_REASON]
            self.tag({_ERROR: reason, _NOTE: reason})
        elif self.failed_before:
            for name in (_ERROR, _NOTE):
                self.client.delete_tag(self.run_id, name)
        if not self.finished:
            self.client.set_terminated(self.run_id, status)

    def withdraw(self) -> None:
        """Leave MLflow as it was before this run was opened, as far as nothing is logged yet."""
        if self.status_before is None and not self.news:
            self.client.set_terminated(self.run_id, "KILLED")  # among deleted runs none goes on
            self.client.delete_run(self.run_id)
        elif not self.finished:
            self.client.set_terminated(self.run_id, self.status_before or "KILLED")


def find_or_open(experiment: Experiment, key: str | None, description: Description) -> OpenRun:
    """Return the run with this key, or a new one; without a key always a new one.

    A run that is not finished is continued and keeps what it has logged.
    """
    client = experiment.client
    run = _find(experiment, key) if key else None
    status = run.info.status if run else None
    finished = status == "FINISHED"
    tags = {**description.tags, PROCESS: str(Process.current()), **({KEY: key} if key else {})}
    if run is None:
        run = client.create_run(experiment.number, run_name=description.name, tags=tags)
    elif not finished:
        client.log_batch(run.info.run_id, tags=[RunTag(*pair) for pair in tags.items()])
        client.update_run(run.info.run_id, status="RUNNING")
    if not finished:
        values = flatten(description.parameters).items()
        params = [Param(name, str(value)) for name, value in values if value != {}]
        client.log_batch(run.info.run_id, params=params)
    logged = json.loads(run.data.tags.get(LOGGED, "{}"))
    failed = _ERROR in run.data.tags
    return OpenRun(experiment, run.info.run_id, finished, logged, failed, status)


def close_dead_runs(experiment: Experiment) -> int:
    """End the runs whose process is gone as KILLED; return how many there were."""
    running = _search(experiment, "attributes.status = 'RUNNING'")
    dead = [run for run in running if _is_dead(run)]
    for run in dead:
        reason = "its process was killed, or its machine was switched off"
        OpenRun(experiment, run.info.run_id).end("KILLED", reason)
    return len(dead)


def _find(experiment: Experiment, key: str) -> Run | None:
    runs = _search(experiment, f"tags.`{KEY}` = '{key}'")
    runs.sort(key=lambda run: (run.info.status != "FINISHED", run.info.start_time))
    return runs[0] if runs else None


def _search(experiment: Experiment, query: str) -> list[Run]:
    runs, token = [], None
    while True:
        page = experiment.client.search_runs([experiment.number], query, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _is_dead(run: Run) -> bool:
    process = Process.parse(run.data.tags.get(PROCESS, ""))
    return is_left_behind(process, run.info.start_time / 1000)


def _digest(dataset: Any) -> str:
    """Hash the content of an output in few characters, since tags are short."""
    path = getattr(dataset, "filepath", None)
    if path is not None and is_there(path):
        return sha256_file(path)[:16]
    content = json.dumps(dataset.load(), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _numbers(values: Mapping[str, Any], prefix: str) -> Iterator[Metric]:
    now = int(time.time() * 1000)
    for key, value in flatten(values, prefix).items():
        if isinstance(value, int | float):
            yield Metric(_RENAMED.get(key, key), float(value), now, 0)


def _curves(history: pd.DataFrame) -> Iterator[Metric]:
    """Yield every numeric column over epochs."""
    now = int(time.time() * 1000)
    for column in history.select_dtypes("number").columns.difference(["epoch"]):
        for epoch, value in zip(history["epoch"], history[column], strict=True):
            if pd.notna(value):
                yield Metric(f"epoch.{column}", float(value), now, int(epoch))
