"""Which process is at work: named so that another process can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

import psutil

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
    def on_this_host(self) -> bool:
        """Whether its life can be asked for here."""
        return self.host == socket.gethostname()

    @property
    def is_dead(self) -> bool | None:
        """Whether it has ended; none for a process of another machine, which cannot be asked."""
        if not self.on_this_host:
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
