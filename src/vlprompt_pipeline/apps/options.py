"""Options that several commands have."""

from __future__ import annotations

import click

with_tracking_uri = click.option(
    "--tracking-uri",
    default="sqlite:///mlflow.db",
    help="Where MLflow keeps models; MLFLOW_TRACKING_URI goes first.",
)
