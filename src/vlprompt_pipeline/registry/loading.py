"""Find registered models by name, and load the classifier of one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.error_log import first_line
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.registry.integrity import require_same_files
from vlprompt_pipeline.registry.place import database_of, tracking_uri, without_password
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION, MODELS, ModelRegistry
from vlprompt_pipeline.registry.version import Found, found_version, hashes_of


class ListedVersion(NamedTuple):
    """A version with the aliases that it holds now and the time of its registration (ms)."""

    version: Found
    aliases: tuple[str, ...]
    created: int


def open_existing(uri: str, folder: Path) -> ModelRegistry:
    """Open a registry to read models from; a database that is absent is not made.

    Args:
        uri: of MLflow; `MLFLOW_TRACKING_URI` goes first.
        folder: that a relative SQLite address starts from.

    Raises:
        UserError: there is no database, or MLflow does not answer.
    """
    database = database_of(tracking_uri(uri, folder))
    if database is not None and not database.is_file():
        raise UserError(
            f"no models here: {database} is not there; run in the project's folder, or name "
            "MLflow's address with --tracking-uri or MLFLOW_TRACKING_URI"
        )
    tracking = TrackingParameters(enabled=True, experiment="vlprompt", uri=uri)
    return ModelRegistry.open(tracking, folder)


def list_versions(models: ModelRegistry) -> list[ListedVersion]:
    """List all versions of all names, names in order, the newest version first."""
    listed: list[ListedVersion] = []
    with models.experiment.answers():
        token = None
        while token != "":
            page = models.client.search_registered_models(order_by=["name ASC"], page_token=token)
            for model in page:
                holders = dict(model.aliases)
                for row in models.client.search_model_versions(f"name = '{model.name}'"):
                    version = found_version(row)
                    held = sorted(a for a, number in holders.items() if str(number) == version[1])
                    listed.append(ListedVersion(version, tuple(held), row.creation_timestamp))
            token = page.token or ""
    return sorted(listed, key=lambda row: (row.version.name, -int(row.version.number)))


def find_version(name: str) -> Found:
    """Find the version behind `name@alias`, `name/number`, or `name`: champion, else candidate.

    Raises:
        UserError: there is none.
    """
    client = MlflowClient()
    try:
        model, at, alias = name.rpartition("@")
        if at:
            return found_version(client.get_model_version_by_alias(model, alias))
        model, slash, number = name.rpartition("/")
        if slash:
            return found_version(client.get_model_version(model, number))
        try:
            return found_version(client.get_model_version_by_alias(name, CHAMPION))
        except MlflowException:
            return found_version(client.get_model_version_by_alias(name, CANDIDATE))
    except MlflowException as error:
        raise _no_model(name, error) from error


def load_classifier(address: str) -> Classifier:
    """Load the classifier of a registered model, such as `models:/demo_aerial.coop@champion`.

    Its files are compared with the hashes of the version before MLflow imports any of them.

    Raises:
        UserError: there is no such model, it is none of this project, or its files were changed.
    """
    folder, name = address, address.removeprefix(MODELS)
    try:
        if address.startswith(MODELS):
            version = find_version(name)
            downloaded = Path(mlflow.artifacts.download_artifacts(MODELS + version.address))
            expected = hashes_of(version.tags)
            files = {name: downloaded / name for name in expected}
            require_same_files(files, expected, str(version))
            folder = str(downloaded)
        model = mlflow.pyfunc.load_model(folder).unwrap_python_model()
    except (MlflowException, OSError) as error:
        raise _no_model(name, error) from error
    if not isinstance(getattr(model, "classifier", None), Classifier):
        raise UserError(f"{address} classifies no images: name a model that register made")
    return model.classifier


def _no_model(name: str, error: Exception) -> UserError:
    return UserError(
        f"no model {name} in MLflow at {without_password(mlflow.get_tracking_uri())} "
        f"({first_line(error)}); kedro run --pipelines=register makes one"
    )
