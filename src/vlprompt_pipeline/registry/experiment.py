"""The experiment that runs and models belong to."""

from __future__ import annotations

import os
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # how MLflow's pages show it

# A server that does not answer is reported after 14 seconds and not after MLflow's four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")


def experiment_id(client: MlflowClient, name: str, uri: str, artifacts: Path) -> str:
    """The experiment of that name, made where there is none.

    A local database keeps its artifacts in the folder `artifacts`, a server where it likes.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    try:
        place = artifacts.as_uri() if uri.startswith("sqlite:") else None
        return client.create_experiment(name, place, _KIND)
    except MlflowException:
        found = client.get_experiment_by_name(name)  # a run beside this one was quicker
        if found is None:
            raise
        return found.experiment_id
