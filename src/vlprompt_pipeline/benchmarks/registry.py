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
    if is_benchmark(name):
        return (BENCHMARKS | MINIATURES)[name]
    raise ConfigError(unknown_dataset(name))


def is_benchmark(name: str) -> bool:
    """Whether a dataset has this name here; else it may be the user's own."""
    return name in BENCHMARKS or name in MINIATURES


def unknown_dataset(name: str) -> str:
    """The sentence for a name that no dataset has, with the nearest one and all there are."""
    close = get_close_matches(name.lower(), BENCHMARKS | MINIATURES, n=1)
    return (
        f"dataset {name!r} is unknown"
        + (f"; did you mean {close[0]!r}?" if close else ";")
        + f" known are {', '.join(sorted(BENCHMARKS))}"
    )
