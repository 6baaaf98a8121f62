"""Locate MLflow's runs and models without importing MLflow, which takes seconds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SQLITE = "sqlite:///"


def tracking_uri(configured: str, project: Path) -> str:
    """Return the environment's URI, or the configured one with its sqlite path in the project."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or configured
    relative = uri.startswith(_SQLITE) and not uri.startswith(f"{_SQLITE}/")
    return f"{_SQLITE}{project.resolve() / uri.removeprefix(_SQLITE)}" if relative else uri


def recording_place(configured: str, experiment: str, project: Path) -> str:
    """Name where results are recorded now: the experiment and MLflow's address, no password.

    A database in the project's folder has its path from there, so that both move together.
    """
    uri = tracking_uri(configured, project)
    database = database_of(uri)
    if database and database.is_relative_to(project.resolve()):
        uri = f"{_SQLITE}{database.relative_to(project.resolve()).as_posix()}"
    return f"{experiment} at {without_password(uri)}"


def database_of(uri: str) -> Path | None:
    """Return the file of a SQLite address, or none for a server or another kind of database."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def artifacts_of(database: Path) -> Path:
    """Return the folder of artifacts of a database: beside it, so that both move together."""
    return database.parent / "mlruns"


def folder_of(location: str | None) -> Path | None:
    """Return the folder of a location on this machine, or none for buckets and servers."""
    if not location:
        return None
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(unquote(parts.path) if parts.scheme else location)
    return folder if folder.is_absolute() else None


def without_password(uri: str) -> str:
    """Return the address with its password left out."""
    return re.sub(r"(?<=://)([^/?#:]*):[^/?#]*@", r"\1:…@", uri)
