"""Options that several commands have, and the kinds of paths that they take."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)

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
