"""Threads of one process: their runs would take each other's parameters and pipelines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import click
import pytest
from kedro.runner import SequentialRunner

from pipelines.project import CELL
from vlprompt_pipeline.hooks.one_run import OneRunHook

REFUSED = "another thread of this process runs a pipeline"


class WaitingRunner(SequentialRunner):
    """Says that it was started, and runs when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.may_run = threading.Event(), threading.Event()

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self.started.set()
        assert self.may_run.wait(timeout=60)
        return super().run(*args, **kwargs)


def test_a_second_thread_is_refused_while_a_run_goes_on(project):
    """As Kedro's HTTP server starts a run for each request."""
    runner = WaitingRunner()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(project.run, {"methods": ["coop"]}, runner=runner)
        assert runner.started.wait(timeout=60)
        try:
            with pytest.raises(click.ClickException, match=REFUSED):
                project.run({"methods": ["zero_shot"], "seed": 2})
        finally:
            runner.may_run.set()
        first.result()
    assert (project.data / "07_model_output" / CELL / "coop").is_dir()
    project.run({"methods": ["zero_shot"], "seed": 2})


Wrapper = Generator[None, Any, Any]


def begin(wrapper: Wrapper) -> Wrapper:
    """Call what a hook does before the others."""
    next(wrapper)
    return wrapper


def end(wrapper: Wrapper) -> None:
    """Call what it does after them."""
    with pytest.raises(StopIteration):
        next(wrapper)


def whole(wrapper: Wrapper) -> None:
    end(begin(wrapper))


def elsewhere(call: Callable[[], object]) -> None:
    """Call in another thread; what it raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()


def require_refused(hook: OneRunHook) -> None:
    for point in (hook.after_context_created, hook.before_pipeline_run):
        with pytest.raises(click.ClickException, match=REFUSED):
            elsewhere(lambda point=point: begin(point()))


def refused_by_another_hook(hook: OneRunHook, begun: Wrapper) -> None:
    with pytest.raises(ValueError, match="refused"):
        begun.throw(ValueError("refused"))


def finished(hook: OneRunHook, begun: Wrapper) -> None:
    end(begun)
    last = begin(hook.after_pipeline_run())
    require_refused(hook)
    end(last)


def failed(hook: OneRunHook, begun: Wrapper) -> None:
    end(begun)
    last = begin(hook.on_pipeline_error())
    require_refused(hook)
    with suppress(ValueError):
        last.throw(ValueError("the sentence of another hook"))


def cut_short(hook: OneRunHook, begun: Wrapper) -> None:
    end(begun)
    hook.cut_short()


@pytest.mark.parametrize("ending", [refused_by_another_hook, finished, failed, cut_short])
def test_a_run_is_the_only_one_from_its_first_hook_to_its_last(ending):
    hook = OneRunHook()
    whole(hook.after_context_created())
    begun = begin(hook.before_pipeline_run())
    require_refused(hook)
    whole(hook.after_context_created())  # of the thread itself
    require_refused(hook)
    ending(hook, begun)
    elsewhere(lambda: whole(hook.after_context_created()))


def test_while_parameters_are_read_no_other_thread_reads_its_own():
    hook = OneRunHook()
    reading = begin(hook.after_context_created())
    require_refused(hook)
    end(reading)
    elsewhere(lambda: whole(hook.after_context_created()))


def test_a_run_whose_parameters_another_thread_replaced_is_refused():
    hook = OneRunHook()
    whole(hook.after_context_created())
    elsewhere(lambda: whole(hook.after_context_created()))
    with pytest.raises(click.ClickException, match=REFUSED):
        begin(hook.before_pipeline_run())
    elsewhere(lambda: whole(hook.after_context_created()))


def test_a_thread_that_died_in_its_run_hinders_no_other():
    hook = OneRunHook()

    def die() -> None:
        whole(hook.after_context_created())
        begin(hook.before_pipeline_run())

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    whole(hook.after_context_created())
    begin(hook.before_pipeline_run())
