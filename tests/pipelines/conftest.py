"""Temporary Kedro projects with miniature datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.project import DATASET, Project, miniature
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS


@pytest.fixture(autouse=True)
def miniatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default dataset is a few pictures large."""
    monkeypatch.setitem(IMAGE_DATASETS, DATASET, miniature())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return Project.create(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the default pipeline has run; only to be looked at."""
    project = Project.create(tmp_path_factory.mktemp("finished") / "project")
    with pytest.MonkeyPatch.context() as patch:  # before the fixture for each test
        patch.setitem(IMAGE_DATASETS, DATASET, miniature())
        project.run(report=True)
    return project
