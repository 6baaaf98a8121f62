"""Open an experiment of MLflow, in one way for recording and for reading."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from vlprompt_pipeline.error_log import FOLDER, first_line, note_of_traceback
from vlprompt_pipeline.errors import TrackingError, UserError
from vlprompt_pipeline.registry.database import prepare_database
from vlprompt_pipeline.registry.place import artifacts_of, database_of, without_password

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # how MLflow's pages show it

# A server that does not answer is reported after 14 seconds and not after MLflow's four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# A server's addresses of two pages a run would stand between the lines of a sweep.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


@dataclass(frozen=True)
class Experiment:
    """An experiment of MLflow that answers.

    Attributes:
        uri: of MLflow.
        project: folder of the project, where tracebacks are kept.
        client: MLflow's, for runs and for models.
        number: MLflow's id of the experiment.
    """

    uri: str
    project: Path
    client: MlflowClient
    number: str

    @classmethod
    def open(cls, uri: str, name: str, project: Path) -> Experiment:
        """Open the experiment of that name, and create it if it is missing.

        A local database keeps its artifacts beside it, a server where it likes.

        Raises:
            TrackingError: MLflow does not answer at `uri`, or the experiment was deleted.
        """
        database = database_of(uri)
        if database is not None:
            prepare_database(database)
        with mlflow_answers(uri, project):
            _log_to_file(project)
            client = MlflowClient(uri, uri)
            number = _experiment_id(client, name, uri, database)
        return cls(uri, project, client, number)

    def answers(self) -> AbstractContextManager[None]:
        """See `mlflow_answers`."""
        return mlflow_answers(self.uri, self.project)


@contextmanager
def mlflow_answers(uri: str, project: Path) -> Iterator[None]:
    """Have MLflow work at an address, and turn each of its failures into one sentence.

    Raises:
        TrackingError: with what was said first; the traceback is kept in a file.
    """
    try:
        _resolve_models_at(uri)
        yield
    except UserError:
        raise
    except Exception as error:
        shown = without_password(uri)
        raise TrackingError(
            f"MLflow at {shown} {_reason(error)}; see that it can be reached and written to, name "
            "another place with MLFLOW_TRACKING_URI, or go without by "
            f"--params=tracking.enabled=false{note_of_traceback(error, project)}"
        ) from error


def _resolve_models_at(uri: str) -> None:
    """Set the addresses of the process, by which alone MLflow resolves `models:/`.

    MLflow writes them to the environment too, where they would stand for what the user wants: the
    next project of this process would be taken to be at the address of this one.
    """
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    wanted = {name: os.environ[name] for name in names if name in os.environ}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(wanted)


def _reason(error: Exception) -> str:
    text = str(error)
    if "database is locked" in text:
        return "is locked by another program that writes to it"
    if "Max retries exceeded" in text or "Connection refused" in text:
        return "does not answer (is its server started?)"
    return f"refused ({first_line(error)})"


def _experiment_id(client: MlflowClient, name: str, uri: str, database: Path | None) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = artifacts_of(database).as_uri() if database else None
        try:
            return client.create_experiment(name, location, _KIND)
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # a run beside this one was quicker
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {name} was deleted in MLflow at {without_password(uri)}: restore it "
            f"with MLFLOW_TRACKING_URI={without_password(uri)} mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}, or record in another one with "
            "--params=tracking.experiment=NAME"
        )
    return experiment.experiment_id


class _LogFile(logging.FileHandler):
    """A log that is made with its folder at the first record."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, to the terminal where the project cannot be written to."""
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            super().emit(record)
        except OSError:
            logging.lastResort.handle(record)


def _log_to_file(project: Path) -> None:
    """Send MLflow's own messages, tracebacks among them, to a file instead of the terminal."""
    file, mlflow_logger = project / FOLDER / "mlflow.log", logging.getLogger("mlflow")
    if file.as_posix() in {getattr(h, "baseFilename", None) for h in mlflow_logger.handlers}:
        return
    handler = _LogFile(file.absolute(), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for earlier in mlflow_logger.handlers:
        earlier.close()
    mlflow_logger.handlers = [handler]
