"""Where MLflow keeps runs and models. Known without importing MLflow, which takes seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def tracking_uri(configured: str, project: Path) -> str:
    """The environment's URI, or the configured one with a sqlite path put under the project."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or configured
    scheme, _, path = uri.partition(":///")
    relative = scheme == "sqlite" and not path.startswith("/")
    return f"sqlite:///{project / path}" if relative else uri


def git_commit(project: Path) -> str | None:
    """The commit that is checked out in the project's folder, none without git."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "rev-parse", "HEAD"]
    said = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else None
