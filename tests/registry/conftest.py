"""MLflow stores of a test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from forks import exit_code, forked
from registry.drafts import open_registry


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory) -> Path:
    """A database that holds tables and an empty experiment; making it takes seconds."""
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    assert exit_code(forked(lambda: open_registry(database))) == 0
    return database


@pytest.fixture
def database(fresh_store, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy for one test."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    copy = tmp_path / "store" / "mlflow.db"
    copy.parent.mkdir()
    shutil.copy(fresh_store, copy)
    yield copy
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
