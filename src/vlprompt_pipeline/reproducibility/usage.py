"""What a run costs, as far as the operating system counts it for nothing."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

# ru_maxrss is in bytes on macOS and in kilobytes elsewhere
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Clock:
    """The moment a run began, in wall time and in processor time."""

    started: datetime
    _wall: float
    _cpu: float

    @classmethod
    def start(cls) -> Clock:
        """Start a clock now."""
        return cls(datetime.now(UTC), time.perf_counter(), _cpu_seconds())

    def stop(self) -> dict[str, datetime | float | int]:
        """Return what has passed since, by the names of `Run`'s fields.

        `cpu_seconds` are those of this process and of the workers that it waited for;
        `peak_memory_bytes` is the most that this process or one worker has held since it was
        started, which in a sweep may have been an earlier cell.
        """
        return {
            "started": self.started,
            "ended": datetime.now(UTC),
            "seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(_cpu_seconds() - self._cpu, 3),
            "peak_memory_bytes": _MAXRSS_UNIT * max(used.ru_maxrss for used in _usages()),
        }


def _cpu_seconds() -> float:
    return sum(used.ru_utime + used.ru_stime for used in _usages())


def _usages() -> list[resource.struct_rusage]:
    """Return what this process used, and its workers that have ended."""
    return [*map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))]
