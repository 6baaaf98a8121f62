"""The model registry of MLflow: versions that are whole or not there, and who holds which alias.

A version is made in four steps, and only the last two can be seen in the registry: a model is
logged in the experiment, its files follow, then a version with all of its tags and its description
is created at once, then the alias moves. A process that dies before the third step leaves a logged
model that no version refers to; the next registration under that name removes it. One that dies
before the fourth leaves a whole version, which the next registration of the same makes candidate.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import mlflow
import pandas as pd
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
from vlprompt_pipeline.errors import ConfigError, PromptFileError
from vlprompt_pipeline.processes import Process, is_left_behind
from vlprompt_pipeline.registry.experiment import Experiment
from vlprompt_pipeline.registry.integrity import hash_files, require_same_files
from vlprompt_pipeline.registry.place import tracking_uri
from vlprompt_pipeline.registry.version import HASHES, RegisteredVersion

CANDIDATE, CHAMPION = "candidate", "champion"
_MAKER, _NAME = "vlprompt.made_by", "vlprompt.registers"  # on a logged model without version
_PAGE = 1000
MODELS = "models:/"
_EVIDENCE = "artifacts/evidence.parquet"
_NOT_THERE = {ErrorCode.Name(c) for c in (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST)}

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class Draft(NamedTuple):
    """A version that is not yet registered: its files, and what is shown beside them.

    Attributes:
        name: `<dataset>.<method>`.
        folder: MLflow's, as saved.
        described: what MLflow says about that folder in its file MLmodel.
        tags: of the version.
        params: of the logged model.
        introduction: to all versions of the name.
        describe: writes the description of the version in Markdown, given its number, which is
            MLflow's to choose.
        source_run: the run that the prompt comes from, where one is known.
    """

    name: str
    folder: Path
    described: Model
    tags: Mapping[str, str]
    params: Mapping[str, str]
    introduction: str
    describe: Callable[[int], str]
    source_run: str | None


class ModelRegistry:
    """Registered prompts in one MLflow store."""

    def __init__(self, experiment: Experiment) -> None:
        """Log models to `experiment`."""
        self.experiment, self.client, self.uri = experiment, experiment.client, experiment.uri

    @classmethod
    def open(cls, tracking: TrackingParameters, project: Path) -> ModelRegistry:
        """Open the registry beside the project's runs.

        Raises:
            ConfigError: tracking is switched off.
            TrackingError: MLflow does not answer there.
        """
        if not tracking.enabled:
            raise ConfigError(
                "tracking.enabled is false, but models are registered in MLflow: set it to true"
            )
        uri = tracking_uri(tracking.uri, project)
        return cls(Experiment.open(uri, tracking.experiment, project))

    def publish(self, draft: Draft) -> RegisteredVersion:
        """Make a version of a saved model, then the candidate of its name.

        Raises:
            UserError: MLflow refuses.
        """
        with self.experiment.answers():
            self._sweep(draft.name)
            tags = {_MAKER: str(Process.current()), _NAME: draft.name}
            logged = self.client.create_logged_model(
                self.experiment.number,
                draft.name.replace(".", "_"),  # no dots in names of logged models
                draft.source_run,
                tags,
                dict(draft.params),
                "classifier",
            )
            draft.described.model_id = logged.model_id
            draft.described.run_id = draft.source_run
            draft.described.save(str(draft.folder / "MLmodel"))
            hashes = json.dumps(hash_files(draft.folder))
            self.client.log_model_artifacts(logged.model_id, str(draft.folder))
            self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
            self._require_name(draft)
            expected = self._next_number(draft.name)
            entity = self.client.create_model_version(
                draft.name,
                _address(logged.model_id),
                draft.source_run,
                {**draft.tags, HASHES: hashes},
                description=draft.describe(expected),
                model_id=logged.model_id,
            )
            version, holder = RegisteredVersion.of(entity), self.holder(draft.name, CANDIDATE)
            if int(version.number) != expected:  # another process registered meanwhile
                described = draft.describe(int(version.number))
                self.client.update_model_version(version.name, version.number, described)
            newer = holder is not None and int(holder.number) > int(version.number)
            if not newer:  # than this one, registered by another process meanwhile
                self.nominate(version)
            self.client.delete_logged_model_tag(logged.model_id, _MAKER)
        return version

    def nominate(self, version: RegisteredVersion) -> None:
        """Make a version the candidate of its name."""
        with self.experiment.answers():
            self.client.set_registered_model_alias(version.name, CANDIDATE, version.number)

    def promote(self, version: RegisteredVersion, why: Mapping[str, str]) -> None:
        """Make a version the champion, after the tags `why` are on it."""
        with self.experiment.answers():
            for key, value in why.items():
                self.client.set_model_version_tag(version.name, version.number, key, value)
            self.client.set_registered_model_alias(version.name, CHAMPION, version.number)

    def versions(self, name: str, **tags: str) -> list[RegisteredVersion]:
        """List the versions of a name that carry these tags, the newest first."""
        with self.experiment.answers():
            rows = self.client.search_model_versions(
                f"name = '{name}'", _PAGE, order_by=["version_number DESC"]
            )
        versions = map(RegisteredVersion.of, rows)
        return [version for version in versions if tags.items() <= version.tags.items()]

    def holder(self, name: str, alias: str) -> RegisteredVersion | None:
        """Return the version that holds an alias, or none if no version does."""
        return self._version_or_none(self.client.get_model_version_by_alias, name, alias)

    def version(self, name: str, number: str) -> RegisteredVersion | None:
        """Return the version of a number, or none if there is none."""
        return self._version_or_none(self.client.get_model_version, name, number)

    def _version_or_none(
        self, get: Callable[[str, str], ModelVersion], name: str, key: str
    ) -> RegisteredVersion | None:
        with self.experiment.answers():
            try:
                return RegisteredVersion.of(get(name, key))
            except MlflowException as error:
                if error.error_code not in _NOT_THERE:  # no such name, alias or number
                    raise
                return None

    def is_whole(self, version: RegisteredVersion) -> bool:
        """Tell whether the files of a version are there and unchanged."""
        try:
            self.evidence(version)
        except PromptFileError:
            return False
        return True

    def evidence(self, version: RegisteredVersion) -> pd.DataFrame:
        """Return which test images a version predicted correctly, from unchanged files only.

        Raises:
            PromptFileError: its files are gone or were changed.
        """
        expected, folder = version.hashes, f"{MODELS}{version.address}/"
        wanted = {**expected, _EVIDENCE: ""}
        with self.experiment.answers(), TemporaryDirectory() as temporary:
            folders = {name.rpartition("/")[0] for name in wanted}
            listings = [mlflow.artifacts.list_artifacts(folder + each) for each in folders]
            present = wanted.keys() & {file.path for files in listings for file in files}
            files = {
                name: Path(mlflow.artifacts.download_artifacts(folder + name, dst_path=temporary))
                for name in present
            }
            require_same_files(files, expected, str(version))
            if _EVIDENCE not in files:
                raise PromptFileError(f"{_EVIDENCE} of {version} is gone: register the model again")
            return pd.read_parquet(files[_EVIDENCE])

    def run_of(self, **tags: str) -> str | None:
        """Return the newest finished run with these tags."""
        wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        query = f"attributes.status = 'FINISHED' and {wanted}"
        with self.experiment.answers():
            runs = self.client.search_runs([self.experiment.number], query, max_results=1)
        return runs[0].info.run_id if runs else None

    def _next_number(self, name: str) -> int:
        newest = self.versions(name)[:1]
        return int(newest[0].number) + 1 if newest else 1

    def _require_name(self, draft: Draft) -> None:
        try:
            self.client.create_registered_model(draft.name, description=draft.introduction)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise

    def _sweep(self, name: str) -> None:
        """Remove logged models of registrations under this name that were interrupted."""
        query = f"tags.`{_NAME}` = '{name}'"
        models = self.client.search_logged_models([self.experiment.number], query)
        for model in models:
            if _MAKER not in model.tags:
                continue
            maker = Process.parse(model.tags[_MAKER])
            if is_left_behind(maker, model.creation_timestamp / 1000):
                source = f"source_path = '{_address(model.model_id)}'"
                if not self.client.search_model_versions(source, 1):
                    self.client.delete_logged_model(model.model_id)


def _address(model_id: str) -> str:
    return MODELS + model_id
