"""The traceback of an error that the user gets as one sentence, kept in a file."""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

FOLDER = "logs"


def note_of_traceback(error: BaseException, project: Path) -> str:
    """Keep the traceback below the project's `logs` folder and say where, as a sentence's end.

    Empty where the folder cannot be written to: the sentence must reach the user all the same.
    """
    now = datetime.now(UTC)
    file = Path(FOLDER, f"error_{now:%Y%m%dT%H%M%S%f}_{os.getpid()}.log")
    text = "".join(traceback.format_exception(error))
    try:
        (project / FOLDER).mkdir(parents=True, exist_ok=True)
        # a name of a file that is no UTF-8 may stand in the message
        (project / file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return ""
    return f"; the traceback is in {file}"


def first_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
