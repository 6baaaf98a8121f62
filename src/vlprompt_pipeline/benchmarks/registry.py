"""The datasets that have a name."""

from __future__ import annotations

from difflib import get_close_matches

from vlprompt_pipeline.benchmarks.benchmark import Benchmark
from vlprompt_pipeline.benchmarks.miniatures import MINIATURE_BENCHMARKS
from vlprompt_pipeline.benchmarks.published import PUBLISHED_BENCHMARKS
from vlprompt_pipeline.benchmarks.rendered_benchmarks import RENDERED_BENCHMARKS
from vlprompt_pipeline.errors import ConfigError

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (*PUBLISHED_BENCHMARKS, *RENDERED_BENCHMARKS)
}
MINIATURES: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in MINIATURE_BENCHMARKS}


def benchmarks_of(prefix: str) -> tuple[Benchmark, ...]:
    """Every dataset there is, or with a prefix all miniatures."""
    return tuple((MINIATURES if prefix else BENCHMARKS).values())


def get_benchmark(name: str) -> Benchmark:
    """Look up a dataset by its name.

    Raises:
        ConfigError: no dataset has this name; the message lists those that exist.
    """
    known = BENCHMARKS | MINIATURES
    if name in known:
        return known[name]
    close = get_close_matches(name.lower(), known, n=1)
    raise ConfigError(
        f"dataset {name!r} is unknown"
        + (f"; did you mean {close[0]!r}?" if close else ";")
        + f" known are {', '.join(sorted(BENCHMARKS))}"
    )
