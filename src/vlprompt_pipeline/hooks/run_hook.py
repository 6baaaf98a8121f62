"""What most hooks know of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.filesystem.places import is_there


class RunHook:
    """Remember the parameters of a run, the project's folder and where the data is."""

    _parameters: dict[str, Any]
    _project: Path
    _data: DataFolder

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Take them from Kedro's context."""
        self._parameters = dict(context.config_loader["parameters"])
        self._project = Path(context.project_path)
        self._data = DataFolder.of(self._parameters["data_root"], self._project)

    def _hashed(self, catalog: Any, output: str) -> tuple[str, str]:
        """Return the name of an output's file in the folder of data, and its SHA-256."""
        path = Path(catalog.get(output).filepath)
        is_there(path)  # brings one that lies in a place
        return self._data.name(path), sha256_file(path)
