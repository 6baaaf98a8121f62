"""Processes forked from the one that tests: they have its modules and data from the start."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any

import torch


def forked(work: Callable[[], Any]) -> int:
    """The id of a process that does some work; it ends with 0 where the work did not fail."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            torch.set_num_threads(1)  # threads do not survive a fork
            work()
            code = 0
        except BaseException:  # told here: nobody else sees it
            traceback.print_exc()
        finally:
            os._exit(code)
    return process


def exit_code(process: int) -> int:
    """Wait for a process; its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
