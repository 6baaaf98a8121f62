"""Give a verification an empty folder, and remove it when the run ends in any way."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kedro.framework.hooks import hook_impl

_FOLDER = "params:fresh_folder"


class VerificationHook:
    """Replace the folder `params:fresh_folder` by a new one inside it, removed at the end."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None  # goes with the process at the latest

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Make the folder of this run."""
        if _FOLDER not in pipeline.inputs():
            return
        dataset = catalog.get(_FOLDER)
        dataset.filepath.mkdir(parents=True, exist_ok=True)
        self._folder = TemporaryDirectory(dir=dataset.filepath)
        dataset.filepath = Path(self._folder.name)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Remove it."""
        self._remove()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Remove it."""
        self._remove()

    def _remove(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
