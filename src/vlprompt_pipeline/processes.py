"""Which process is at work: named so that another process can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import time
from typing import NamedTuple

import psutil

_ABANDONED = 24 * 3600  # seconds after which what another machine does is taken for left behind
_SAME_START = 1.0  # seconds; a start time is only as exact as the clock it was computed from


class Process(NamedTuple):
    """A process of a machine.

    The number alone does not do: the system gives it to another process later. With the time of
    its start it is one process and no other.

    Attributes:
        host: name of the machine.
        number: the process id.
        started: seconds since 1970.
    """

    host: str
    number: int
    started: float

    @classmethod
    def current(cls) -> Process:
        """Describe this process."""
        return cls(socket.gethostname(), os.getpid(), round(psutil.Process().create_time(), 2))

    @classmethod
    def parse(cls, text: str) -> Process | None:
        """Read what `str` wrote, or none if the text is something else."""
        host, _, rest = text.partition(" ")
        number, _, started = rest.partition(" ")
        try:
            return cls(host, int(number), float(started))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.host} {self.number} {self.started:.2f}"

    @property
    def is_dead(self) -> bool | None:
        """Whether it has ended; none for a process of another machine, which cannot be asked."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.number)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            return abs(process.create_time() - self.started) > _SAME_START
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:  # it is somebody else's, so it lives
            return False


def usable_cores() -> int:
    """Return how many cores this process may use: fewer than there are under Slurm or taskset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows do not say


def is_left_behind(process: Process | None, since: float) -> bool:
    """Tell whether what a process does since that moment, in seconds since 1970, has no end.

    One of another machine cannot be asked: it is taken for dead a day after that and its start.
    """
    dead = process.is_dead if process else None
    if dead is not None:
        return dead
    return time.time() - max(since, process.started if process else 0.0) > _ABANDONED
