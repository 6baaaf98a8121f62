"""A user's mistake ends a run with its sentence, not with a page of frames."""

from __future__ import annotations

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from vlprompt_pipeline.errors import UserError


class ErrorHook:
    """Turns what a user can mend into the short error of the command line.

    It is click's own, because Kedro's loses its message under click 8.5.
    """

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Raise the sentence alone if the error, or what caused it, is the user's to mend.

        An error of a dataset is: what it could not read or write, and why, stands in its message.
        A worker process sends it without its cause.
        """
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__
        if cause is None and isinstance(error, DatasetError):
            cause = error
        if cause is not None:
            raise click.ClickException(str(cause)) from None
