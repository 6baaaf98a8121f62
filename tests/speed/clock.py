"""The median of several runs, which a busy moment does not move."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def processor_seconds(call: Callable[[], object], times: int) -> float:
    """Median of several runs, in seconds of the processor: machines have other work."""
    seconds = []
    for _ in range(times):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)
