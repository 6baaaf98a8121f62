"""Temporary Kedro projects with miniature datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.project import DATASET, Project, miniature
from vlprompt_pipeline.benchmarks import BENCHMARKS


@pytest.fixture(scope="session", autouse=True)
def miniatures() -> Iterator[None]:
    """Rendered datasets are a few pictures large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BENCHMARKS, DATASET, miniature())
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project.create(tmp_path / "project")
