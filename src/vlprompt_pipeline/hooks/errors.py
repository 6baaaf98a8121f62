"""Whatever ends a run, its user gets one sentence; a traceback is for a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from vlprompt_pipeline.error_log import first_line, where_the_rest_is
from vlprompt_pipeline.errors import UserError


class ErrorHook:
    """Turns the error of a run into the short error of the command line.

    It is click's own, because Kedro's loses its message under click 8.5.
    """

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember the project's folder."""
        self._project = Path(context.project_path)

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Raise the sentence alone."""
        raise in_one_sentence(error, self._project) from error


@contextmanager
def one_sentence(project: Path) -> Iterator[None]:
    """End what is done within with a sentence if it fails; for what is not a pipeline's run.

    Raises:
        ClickException: the sentence.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        raise in_one_sentence(error, project) from error


def in_one_sentence(error: Exception, project: Path) -> click.ClickException:
    """What the user reads of an error.

    If the error, or what caused it, is the user's to mend, it is that sentence. So is the message
    of a dataset: what it could not read or write, and why, stands in it; a worker process sends it
    without its cause. Of any other error it is the first line, and where the traceback is kept.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError | click.ClickException):
        cause = cause.__cause__
    if isinstance(cause, click.ClickException):
        return cause
    if cause is None and isinstance(error, DatasetError):
        cause = error
    if cause is not None:
        return click.ClickException(str(cause))
    return click.ClickException(
        f"this should not have happened: {first_line(error)}{where_the_rest_is(error, project)}, "
        "to be sent with a report of the fault"
    )
