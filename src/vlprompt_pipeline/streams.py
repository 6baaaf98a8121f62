"""What is printed in the encoding of the terminal, which may lack some characters."""

from __future__ import annotations

import io
import sys


def replace_unknown_characters() -> None:
    """Print a question mark where the terminal's encoding has no ↑ or no letter of a class name.

    In the locale en_US, which is Latin-1, a finished run would end in an error at its table.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
