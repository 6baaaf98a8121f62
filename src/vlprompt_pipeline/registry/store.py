"""The model registry of MLflow: versions that are whole or not there, and who holds which alias.

A version is made in four steps, and only the last two can be seen in the registry: a model is
logged in the experiment, its files follow, then a version with all of its tags and its description
is created at once, then the alias moves. A process that dies before the third step leaves a logged
model that no version refers to; the next registration under that name removes it. One that dies
before the fourth leaves a whole version, which the next registration of the same makes candidate.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.registry.experiment import experiment_id
from vlprompt_pipeline.registry.place import tracking_uri

CANDIDATE, CHAMPION = "candidate", "champion"
_MAKER, _NAME = "vlprompt.made_by", "vlprompt.registers"  # on a logged model without version
_ABANDONED = 24 * 3600 * 1000  # ms after which a maker on another machine is taken for dead
_PAGE = 1000
_NOT_THERE = {ErrorCode.Name(c) for c in (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST)}

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class Found(NamedTuple):
    """A version: `demo_aerial.coop`, 3, and its tags."""

    name: str
    number: str
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


class Draft(NamedTuple):
    """A version to be: its files, and what is shown beside them.

    Attributes:
        name: `<dataset>.<method>`.
        folder: MLflow's, as saved.
        described: what MLflow says about that folder in its file MLmodel.
        tags: of the version.
        params: of the logged model.
        introduction: to all versions of the name.
        description: of the version, in Markdown.
        source_run: the run that the prompt comes from, where one is known.
    """

    name: str
    folder: Path
    described: Model
    tags: Mapping[str, str]
    params: Mapping[str, str]
    introduction: str
    description: str
    source_run: str | None


class ModelRegistry:
    """Registered prompts at one MLflow store."""

    def __init__(self, uri: str, experiment: str, artifacts: Path) -> None:
        """Logged models go to `experiment`; those of a local database keep files in `artifacts`."""
        self.uri = uri
        mlflow.set_tracking_uri(uri)  # MLflow resolves models:/ through its global address
        mlflow.set_registry_uri(uri)
        self.client = MlflowClient(uri, uri)
        with self._answering():
            self.experiment = experiment_id(self.client, experiment, uri, artifacts)

    @classmethod
    def open(cls, tracking: TrackingParameters, project: Path) -> ModelRegistry:
        """The registry beside the project's runs.

        Raises:
            ConfigError: tracking is switched off.
            UserError: MLflow does not answer there.
        """
        if not tracking.enabled:
            raise ConfigError(
                "tracking.enabled is false, but models are registered in MLflow: set it to true"
            )
        uri = tracking_uri(tracking.uri, project)
        return cls(uri, tracking.experiment, project / "mlruns")

    def publish(self, draft: Draft) -> Found:
        """Make a version of a saved model, then the candidate of its name.

        Raises:
            UserError: MLflow refuses.
        """
        with self._answering():
            self._sweep(draft.name)
            tags = {_MAKER: _this_process(), _NAME: draft.name}
            logged = self.client.create_logged_model(
                self.experiment,
                draft.name.replace(".", "_"),  # no dots in names of logged models
                draft.source_run,
                tags,
                dict(draft.params),
                "classifier",
            )
            draft.described.model_id = logged.model_id
            draft.described.run_id = draft.source_run
            draft.described.save(str(draft.folder / "MLmodel"))
            self.client.log_model_artifacts(logged.model_id, str(draft.folder))
            self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
            self._require_name(draft)
            made = self.client.create_model_version(
                draft.name,
                _address(logged.model_id),
                draft.source_run,
                dict(draft.tags),
                description=draft.description,
                model_id=logged.model_id,
            )
            found, holder = _found(made), self.holder(draft.name, CANDIDATE)
            if holder is None or int(holder.number) < int(
                found.number
            ):  # or one beside it is newer
                self.nominate(found)
            self.client.delete_logged_model_tag(logged.model_id, _MAKER)
        return found

    def nominate(self, version: Found) -> None:
        """Make a version the candidate of its name."""
        with self._answering():
            self.client.set_registered_model_alias(version.name, CANDIDATE, version.number)

    def promote(self, version: Found, why: Mapping[str, str]) -> None:
        """Make a version the champion; `why` is on it before it is."""
        with self._answering():
            for key, value in why.items():
                self.client.set_model_version_tag(version.name, version.number, key, value)
            self.client.set_registered_model_alias(version.name, CHAMPION, version.number)

    def versions(self, name: str, **tags: str) -> list[Found]:
        """All versions of a name that carry these tags, the newest first."""
        with self._answering():
            rows = self.client.search_model_versions(
                f"name = '{name}'", _PAGE, order_by=["version_number DESC"]
            )
        found = (_found(row) for row in rows)
        return [version for version in found if tags.items() <= version.tags.items()]

    def holder(self, name: str, alias: str) -> Found | None:
        """The version that holds an alias, none where nobody does."""
        with self._answering():
            try:
                return _found(self.client.get_model_version_by_alias(name, alias))
            except MlflowException as error:
                if error.error_code not in _NOT_THERE:  # no such name, or no such alias
                    raise
                return None

    def evidence(self, version: Found) -> pd.DataFrame:
        """Which test images a version had right.

        Raises:
            UserError: its files are gone.
        """
        address = f"models:/{version.name}/{version.number}/artifacts/evidence.parquet"
        with self._answering():
            return pd.read_parquet(mlflow.artifacts.download_artifacts(address))

    def run_of(self, **tags: str) -> str | None:
        """The newest finished run with these tags."""
        wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        query = f"attributes.status = 'FINISHED' and {wanted}"
        with self._answering():
            runs = self.client.search_runs([self.experiment], query, max_results=1)
        return runs[0].info.run_id if runs else None

    def _require_name(self, draft: Draft) -> None:
        try:
            self.client.create_registered_model(draft.name, description=draft.introduction)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise

    def _sweep(self, name: str) -> None:
        """Remove logged models of registrations under this name that died on the way."""
        query = f"tags.`{_NAME}` = '{name}'"
        models = self.client.search_logged_models([self.experiment], query)
        open_ones = [model for model in models if _MAKER in model.tags]
        if not open_ones:
            return
        rows = self.client.search_model_versions(f"name = '{name}'", _PAGE)
        kept = {row.source for row in rows}  # a database keeps no model_id
        for model in open_ones:
            dead = _is_dead(model.tags[_MAKER], model.creation_timestamp)
            if dead and _address(model.model_id) not in kept:
                self.client.delete_logged_model(model.model_id)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            first = str(error).splitlines()[0]
            raise UserError(
                f"MLflow at {self.uri} refused ({first}); see that it can be reached and written "
                "to, or name another place with MLFLOW_TRACKING_URI"
            ) from error


def load_classifier(address: str) -> Classifier:
    """The classifier in a registered model, such as `models:/demo_aerial.coop@champion`.

    Raises:
        UserError: there is no such model, or it is none of this project.
    """
    try:
        model = mlflow.pyfunc.load_model(address).unwrap_python_model()
    except MlflowException as error:
        raise UserError(
            f"no model {address.removeprefix('models:/')} in MLflow at "
            f"{mlflow.get_tracking_uri()} ({str(error).splitlines()[0]}); "
            "kedro run --pipelines=register makes one"
        ) from error
    if not isinstance(getattr(model, "classifier", None), Classifier):
        raise UserError(f"{address} classifies no images: name a model that register made")
    return model.classifier


def _found(row: ModelVersion) -> Found:
    return Found(row.name, str(row.version), dict(row.tags))


def _address(model_id: str) -> str:
    return f"models:/{model_id}"


def _this_process() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _is_dead(maker: str, since: int) -> bool:
    """Whether the process that began a registration will not finish it."""
    host, _, number = maker.rpartition(" ")
    if host != socket.gethostname():
        return time.time() * 1000 - since > _ABANDONED
    with suppress(PermissionError):  # it lives, but is somebody else's
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False
