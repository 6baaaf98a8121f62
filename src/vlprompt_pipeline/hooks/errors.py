"""End every failed run with one sentence; the traceback goes to a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import NoReturn

import click
from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException
from yaml import YAMLError

from vlprompt_pipeline.error_log import first_line, note_of_traceback
from vlprompt_pipeline.errors import UserError, reason_of
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.wording import join

_PACKAGE = Path(__file__).parents[1]
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_OUT_OF_MEMORY = (
    "it ran out of memory: let a training step keep less (training.memory_gb of the recipe), or "
    "take smaller batches (training.batch_size of the recipe, features.batch_size)"
)

_NOT_STORED = re.compile(r"Pipeline input\(s\) \{(.*)\} not found")
"""What Kedro says where the nodes of a run are not given what others keep in memory for them."""

_TWICE = "Duplicate keys found in"
_SAME_NODES = "Pipeline nodes must have unique names"
_NO_FOLDER = re.compile(r"is not a valid directory: (.*?)(?:\. Error|$)")
"""What Kedro says of a configuration that is not there, in a folder or in an archive."""


class FaultError(click.ClickException):
    """The sentence about an error that nobody foresaw, which no input explains."""


class ErrorHook(RunHook):
    """Turn the error of a run into a short error of the command line.

    The error is a `ClickException`, because Kedro's own loses its message under click 8.5.
    """

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Raise the sentence without the traceback."""
        _raise_sentence(error, self._project, self._parameters["extensions"])


@contextmanager
def one_sentence(project: Path) -> Iterator[None]:
    """Turn any error inside the context into one sentence, for work outside a pipeline run.

    Raises:
        ClickException: the sentence.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        _raise_sentence(error, project)


def in_one_sentence(
    error: Exception, project: Path, extensions: Sequence[str] = ()
) -> click.ClickException:
    """Return the sentence that the user reads of an error in a run with these extensions.

    A `UserError`, or one among the causes, is shown as it is, and so is what YAML says of a broken
    file. So is the error of a dataset, which says what could not be read or written and why; a
    worker process sends it without its cause. Of any other error the first line is shown, where the
    traceback is kept, and the line of an extension or other code of the project that raised it.
    """
    cause = _for_the_user(error)
    if isinstance(cause, click.ClickException):
        return cause
    if cause is not None:
        return click.ClickException(str(cause))
    if any(map(is_out_of_memory, causes(error))):
        return click.ClickException(_OUT_OF_MEMORY)
    if sentence := _of_kedro(error):
        return click.ClickException(sentence)
    if line := _line_of_own_code(error, project, extensions):
        return click.ClickException(
            f"{line} raises {first_line(error)}{note_of_traceback(error, project)}"
        )
    suspected = f", unless its cause is in {join(extensions)}" if extensions else ""
    return FaultError(
        f"this should not have happened: {first_line(error)}{note_of_traceback(error, project)}, "
        f"to be sent with a report of the fault{suspected}"
    )


def _of_kedro(error: Exception) -> str:
    """Say what an error of Kedro's means that no class of its own tells; empty if it is none."""
    text = str(error)
    if isinstance(error, MissingConfigException) and (absent := _NO_FOLDER.search(text)):
        folder = Path(absent[1])
        there = sorted(each.name for each in folder.parent.glob("*/"))
        return (
            f"no folder {folder}, which --env, KEDRO_ENV or --conf-source asks for; "
            f"{folder.parent} has {', '.join(there) or 'no folder'}"
        )
    if isinstance(error, OmegaConfBaseException):
        same_folder = "; it has to stand in a file of the same folder"
        advice = same_folder if isinstance(error, InterpolationKeyError) else ""
        return f"conf: {error.full_key or 'a value'}: {reason_of(error)}{advice}"
    if not isinstance(error, ValueError):
        return ""
    if absent := _NOT_STORED.match(text):
        return (
            f"this run begins with nodes that read {absent[1]}, which no run stores: begin with "
            "the nodes that make it, or run the whole stage, for example --pipelines=reporting"
        )
    by_start = {
        _TWICE: f"{reason_of(error)}: a key stands in one file of a folder",
        _SAME_NODES: "--pipelines: they have nodes in common; run one after the other",
    }
    return next((said for start, said in by_start.items() if text.startswith(start)), "")


def _line_of_own_code(error: Exception, project: Path, extensions: Sequence[str]) -> str:
    """Say which line of an extension or of modules in `src` raised an error; empty if none.

    What libraries raise is that of the line which called them.
    """
    own = {name.partition(".")[0] for name in extensions}
    for frame, line in reversed([*walk_tb(error.__traceback__)]):
        file, module = Path(frame.f_code.co_filename), frame.f_globals.get("__name__", "")
        if file.is_relative_to(_PACKAGE):
            return ""
        if file.is_relative_to(project):
            file = file.relative_to(project)
        if file.parts[0] == "src" or module.partition(".")[0] in own:
            return f"line {line} of {file}"
    return ""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, each once; raised again they go round."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether this machine or its GPU has no memory left; PyTorch has errors of its own."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in _MEMORY_WORDS)


def _raise_sentence(error: Exception, project: Path, extensions: Sequence[str] = ()) -> NoReturn:
    """Raise the sentence about an error; one that is among its causes keeps its own cause."""
    sentence = in_one_sentence(error, project, extensions)
    if sentence is error or sentence.__cause__ is not None:
        raise sentence
    raise sentence from error


def is_refusal(error: Exception) -> bool:
    """Tell whether the user can mend it: wrong input, and no fault of the program."""
    cause = _for_the_user(error)
    return cause is not None and not isinstance(cause, FaultError)


def _for_the_user(error: Exception) -> BaseException | None:
    cause: BaseException | None = error
    while not isinstance(cause, UserError | click.ClickException | YAMLError | None):
        cause = cause.__cause__
    return error if cause is None and isinstance(error, DatasetError) else cause
