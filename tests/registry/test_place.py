"""Where MLflow's runs are: the environment first, then the parameter, below the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlprompt_pipeline.registry.place import database_of, tracking_uri, without_password


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{project}/mlflow.db"),
        ("sqlite:///data/runs.db", "sqlite:///{project}/data/runs.db"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("postgresql://user@host/mlflow", "postgresql://user@host/mlflow"),
    ],
)
def test_relative_databases_alone_lie_in_the_project(configured, expected, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(configured, tmp_path) == expected.format(project=tmp_path.resolve())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", configured)
    from_environment = tracking_uri("sqlite:///another.db", tmp_path)
    assert from_environment == expected.format(project=tmp_path.resolve())


def test_only_sqlite_has_a_file():
    assert database_of("sqlite:////srv/mlflow.db") == Path("/srv/mlflow.db")
    assert database_of("http://localhost:5000") is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host/x", "https://me:…@host/x"),
        ("postgresql://me:p@ss:word@host/x", "postgresql://me:…@host/x"),
        ("sqlite:////a/b:c@d.db", "sqlite:////a/b:c@d.db"),
        ("http://me@host:5000", "http://me@host:5000"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_a_password_is_not_shown(uri, shown):
    assert without_password(uri) == shown
