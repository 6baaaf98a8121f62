"""Options that several commands have."""

from __future__ import annotations

import click

with_clip = click.option(
    "--clip",
    metavar="SOURCE",
    help="Where the model's CLIP lies on this machine, if not where it was trained: as clip.source "
    "(local-dir:FOLDER, open_clip:MODEL:TAG, hf-hub:OWNER/NAME).",
)
with_tracking_uri = click.option(
    "--tracking-uri",
    default="sqlite:///mlflow.db",
    help="Where MLflow keeps models; MLFLOW_TRACKING_URI goes first.",
)
