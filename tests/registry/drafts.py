"""Versions of nothing but evidence, and processes that publish them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.models import Model

from vlprompt_pipeline.registry.evidence import evidence_of
from vlprompt_pipeline.registry.experiment import Experiment
from vlprompt_pipeline.registry.store import Draft, ModelRegistry
from vlprompt_pipeline.registry.version import RegisteredVersion

TASK = {"dataset": "cats", "protocol": "base_to_new", "split_sha256": "s", "weights_sha256": "w"}
STEPS = (
    "create_logged_model",
    "log_model_artifacts",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "delete_logged_model_tag",
)


def open_registry(database: Path) -> ModelRegistry:
    return ModelRegistry(Experiment.open(f"sqlite:///{database}", "tests", database.parent))


def predictions(right: dict[str, Sequence[bool]]) -> pd.DataFrame:
    """What an evaluation would have left: every image is of class 1, wrong answers are 0."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "half": half,
                    "path": [f"{half}/{i:04d}.jpg" for i in range(len(answers))],
                    "label": 1,
                    "prediction": [int(answer) for answer in answers],
                }
            )
            for half, answers in right.items()
        ],
        ignore_index=True,
    )


def draft(folder: Path, method: str, right: dict[str, Sequence[bool]], **tags: str) -> Draft:
    """A version that had these answers right."""
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    names = dict.fromkeys(right, ("tabby", "tiger"))
    (artifacts / "evidence.parquet").write_bytes(evidence_of(predictions(right), names, {}))
    return Draft(
        name=f"{TASK['dataset']}.{method}",
        folder=folder,
        described=Model(),
        tags={**TASK, "method": method, **tags},
        params={"method": method},
        introduction="all",
        describe="version {}".format,
        source_run=None,
    )


def publish(
    registry: ModelRegistry,
    folder: Path,
    method: str,
    right: dict[str, Sequence[bool]],
    **tags: str,
) -> RegisteredVersion:
    return registry.publish(draft(folder, method, right, **tags))


def dying_after(step: str) -> None:
    """From now on this process is killed as soon as MLflow's client has made this call."""
    original = getattr(MlflowClient, step)

    def call(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(MlflowClient, step, call)
