"""A user's mistake ends a run with its sentence, not with a page of frames."""

from __future__ import annotations

from kedro.framework.cli.utils import KedroCliError
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.errors import UserError


class ErrorHook:
    """Turns what a user can mend into the short error of Kedro's command line."""

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Raise the sentence alone if the error, or what caused it, is the user's to mend."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__
        if cause is not None:
            raise KedroCliError(str(cause)) from None
