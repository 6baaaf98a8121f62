"""Have one run at a time in a process: Kedro's pipelines and the state of hooks exist once."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import click
from kedro.framework.hooks import hook_impl


class OneRunHook:
    """Refuse a run in another thread, as Kedro's HTTP server starts one for each request.

    The runs would take each other's parameters and pipelines. A thread has the process to itself
    while it reads its parameters and then from the start of its run to its end. In between another
    thread may read its own: then the first one is refused when it starts.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._busy: threading.Thread | None = None
        self._read_by: threading.Thread | None = None

    @hook_impl(wrapper=True, tryfirst=True)
    def after_context_created(self) -> Generator[None, Any, Any]:
        """Let no other thread read parameters meanwhile.

        Raises:
            ClickException: another thread reads its own, or runs.
        """
        before = self._claim()
        try:
            result = yield
            self._read_by = threading.current_thread()
            return result
        finally:
            self._busy = before

    @hook_impl(wrapper=True, tryfirst=True)
    def before_pipeline_run(self) -> Generator[None, Any, Any]:
        """Keep the process until the run ends, or is refused by another hook.

        Raises:
            ClickException: another thread runs, or has read its parameters since this one did.
        """
        self._claim()
        try:
            if self._read_by is not threading.current_thread():
                raise _refusal()
            return (yield)
        except BaseException:
            self._busy = None
            raise

    @hook_impl(wrapper=True, tryfirst=True)
    def after_pipeline_run(self) -> Generator[None, Any, Any]:
        """Let others run when all hooks have written what they write."""
        try:
            return (yield)
        finally:
            self._busy = None

    @hook_impl(wrapper=True, tryfirst=True)
    def on_pipeline_error(self) -> Generator[None, Any, Any]:
        """Let others run when all hooks know of the error."""
        try:
            return (yield)
        finally:
            self._busy = None

    def cut_short(self) -> None:
        """Let others run after a run that Kedro told no end of."""
        self._busy = None

    def _claim(self) -> threading.Thread | None:
        """Take the process; return who had it: none, or this thread itself."""
        thread = threading.current_thread()
        with self._guard:
            before = self._busy
            if before not in (None, thread) and before.is_alive():
                raise _refusal()
            self._busy = thread
        return before


def _refusal() -> click.ClickException:
    return click.ClickException(
        "another thread of this process runs a pipeline: give the command again when it has ended, "
        "or in a process of its own"
    )
