"""The console that texts for a terminal are printed to, and its width."""

from __future__ import annotations

import io
import shutil

from rich.console import Console

WIDTH = 110
"""Columns of the widest text, and of one that no terminal shows."""
_NARROWEST = 60


def text_console(width: int) -> Console:
    """Return a console that writes into memory what it is given, wherever it runs.

    Left alone, rich writes to a notebook instead, colours text where FORCE_COLOR is set, and takes
    what stands in brackets for markup.
    """
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


def terminal_width() -> int:
    """Return the columns of the run's terminal, 60 to `WIDTH`; without one `WIDTH`."""
    return min(WIDTH, max(_NARROWEST, shutil.get_terminal_size((WIDTH, 0)).columns))
