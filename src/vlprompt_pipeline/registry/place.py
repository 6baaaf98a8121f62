"""Where MLflow keeps runs and models. Known without importing MLflow, which takes seconds."""

from __future__ import annotations

import os
from pathlib import Path


def tracking_uri(configured: str, project: Path) -> str:
    """The environment's URI, or the configured one with a sqlite path put under the project."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or configured
    scheme, _, path = uri.partition(":///")
    relative = scheme == "sqlite" and not path.startswith("/")
    return f"sqlite:///{project / path}" if relative else uri
