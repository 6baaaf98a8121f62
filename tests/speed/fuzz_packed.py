"""Ten million mutations of prompt files on the reader, in as many processes as there are cores.

Run: PYTHONPATH=tests python tests/speed/fuzz_packed.py [millions]
"""

from __future__ import annotations

import os
import resource
import sys
import time
from multiprocessing import Pool

from export.fuzzing import Tally, fuzz

ROUND = 20_000


def timed(seed: int) -> tuple[Tally, float, int]:
    """A round, its seconds, and the highest memory of the process in MB."""
    started = time.perf_counter()
    tally = fuzz(ROUND, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return tally, time.perf_counter() - started, peak


def main() -> None:
    """Print what became of the mutations, the slowest round, and the highest memory."""
    rounds = round(float(sys.argv[1] if len(sys.argv) > 1 else 10) * 1_000_000 / ROUND)
    started = time.perf_counter()
    with Pool(os.cpu_count()) as pool:
        done = list(pool.imap_unordered(timed, range(rounds)))
    tallies = [tally for tally, _, _ in done]
    refused, read, same = (
        sum(getattr(tally, name) for tally in tallies) for name in ("refused", "read", "unchanged")
    )
    sentences = set().union(*(tally.sentences for tally in tallies))
    print(
        f"{rounds * ROUND} mutations, {time.perf_counter() - started:.0f} s: {refused} refused in "
        f"{len(sentences)} kinds of sentence, {read} right by the format and read as they stand, "
        f"{same} left unchanged; none crashed, no altered file was read"
    )
    slowest = 1e6 * max(seconds for _, seconds, _ in done) / ROUND
    print(f"slowest round: {slowest:.0f} us a file; highest memory {max(p for *_, p in done)} MB")


if __name__ == "__main__":
    main()
