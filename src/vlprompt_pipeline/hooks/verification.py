"""Give a verification an empty folder, and the groups in which the stored prompts were trained."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from vlprompt_pipeline.errors import UserError

_FOLDER = "params:fresh_folder"


class VerificationHook:
    """Prepare a run that verifies, and clean up behind it.

    The folder `params:fresh_folder` becomes a new one inside it, which is removed at the end.
    Prompts that trained side by side do so again, unless `--params` says with which.
    """

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None  # goes with the process at the latest

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Make the folder of this run, and see in the records which prompts trained together.

        Raises:
            ClickException: no one run can train them so again.
        """
        if _FOLDER not in pipeline.inputs():
            return
        _train_as_stored(pipeline, catalog)
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


def _train_as_stored(pipeline: Any, catalog: Any) -> None:
    """Set `side_by_side` to what it was for the stored prompts."""
    from vlprompt_pipeline.reproducibility.record import Record
    from vlprompt_pipeline.reproducibility.stored import stored_groups

    parameters = catalog.load("parameters")
    names = [name for name in sorted(pipeline.inputs()) if name.endswith(".reproducibility")]
    if "side_by_side" in parameters["given"] or not names:
        return
    try:
        records = [Record.read(catalog.load(name)) for name in names]
        setting = stored_groups(records, parameters["recipes"])
    except DatasetError:
        return  # a record is not there: the first node says so
    except UserError as error:
        raise click.ClickException(str(error)) from None
    plain = setting.model_dump(mode="json")
    # saved where they are: Kedro warns of an entry that is replaced
    catalog.get("parameters").save({**parameters, "side_by_side": plain})
    catalog.get("params:side_by_side").save(setting)
