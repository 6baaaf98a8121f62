"""Find registered models by name, and load the classifier of one."""

from __future__ import annotations

import shutil
import weakref
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import mlflow

from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.registry.integrity import require_same_files
from vlprompt_pipeline.registry.place import database_of, folder_of, tracking_uri, without_password
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION, MODELS, ModelRegistry
from vlprompt_pipeline.registry.version import RegisteredVersion
from vlprompt_pipeline.wording import join


class ListedVersion(NamedTuple):
    """A version with the aliases that it holds now and the time of its registration (ms)."""

    version: RegisteredVersion
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


def list_versions(models: ModelRegistry, name: str | None = None) -> list[ListedVersion]:
    """List all versions of a name, or of all in order; the newest version first."""
    listed: list[ListedVersion] = []
    with models.experiment.answers():
        token = None
        while token != "":
            page = models.client.search_registered_models(order_by=["name ASC"], page_token=token)
            for model in (each for each in page if name in (None, each.name)):
                holders = dict(model.aliases)
                quote = '"' if "'" in model.name else "'"  # another program's may have any name
                query = f"name = {quote}{model.name}{quote}"
                for row in models.client.search_model_versions(query):
                    version = RegisteredVersion.of(row)
                    held = sorted(
                        a for a, number in holders.items() if str(number) == version.number
                    )
                    listed.append(ListedVersion(version, tuple(held), row.creation_timestamp))
            token = page.token or ""
    return sorted(listed, key=lambda row: (row.version.name, -int(row.version.number)))


def find_version(models: ModelRegistry, name: str) -> RegisteredVersion:
    """Find the version behind `name@alias`, `name/number`, or `name`: champion, else candidate.

    Raises:
        UserError: there is none.
    """
    model, at, alias = name.rpartition("@")
    above, slash, number = name.rpartition("/")
    if at:
        version = models.holder(model, alias)
    elif slash:
        version = models.version(above, number)
    else:
        version = models.holder(name, CHAMPION) or models.holder(name, CANDIDATE)
    if version is None:
        of = model or above or name
        rows = list_versions(models)
        existing = [_described(row) for row in rows if row.version.name == of]
        how = "kedro run --pipelines=register makes one"
        if existing:
            how = f"{of} has version {join(existing)}"
        elif close := get_close_matches(of, {row.version.name for row in rows}, n=1):
            how = f"did you mean {close[0]}?"
        if existing and (alias == CHAMPION or not (at or slash)):
            how += ", and kedro run --pipelines=promote makes a champion"
        raise UserError(f"no model {name} in MLflow at {without_password(models.uri)}; {how}")
    return version


def _described(row: ListedVersion) -> str:
    return f"{row.version.number} ({join(row.aliases)})" if row.aliases else row.version.number


def load_classifier(
    models: ModelRegistry, version: RegisteredVersion, clip_source: str | None = None
) -> Classifier:
    """Load the classifier of a registered version; its CLIP may be given another source.

    Its files are compared with its hashes before MLflow imports any of them. A model that another
    program registered has none: it is not loaded, for it may hold pickles. What is downloaded from
    another machine is removed with the classifier, or when the process ends.

    Raises:
        UserError: it is none of this project, or its files were changed.
    """
    expected = version.hashes
    if not expected:
        raise UserError(f"{version} classifies no images: name a model that register made")
    with models.experiment.answers():
        stored = models.client.get_model_version_download_uri(version.name, version.number)
        folder = Path(mlflow.artifacts.download_artifacts(MODELS + version.address))
    require_same_files({name: folder / name for name in expected}, expected, str(version))
    config = {"clip_source": clip_source} if clip_source else None
    loaded = mlflow.pyfunc.load_model(str(folder), model_config=config)
    classifier = loaded.unwrap_python_model().classifier
    if folder_of(stored) is None:
        weakref.finalize(classifier, shutil.rmtree, folder, ignore_errors=True)
    return classifier
