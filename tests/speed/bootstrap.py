"""The bootstrap by drawn counts against the one by drawn indices, in one process.

Run: python tests/speed/bootstrap.py

20,000 test images, three seeds, 10,000 resamples; the side with indices draws 200 and is multiplied
by 50. Milliseconds of the processor, medians.
"""

from __future__ import annotations

import numpy as np
from clock import processor_seconds

from vlprompt_pipeline.results.statistics import accuracy_interval, compare_accuracy, compare_h

IMAGES, SEEDS, RESAMPLES, SHARE = 20_000, 3, 10_000, 50


def by_index(*columns: np.ndarray) -> list[list[float]]:
    """Means of per-image values at drawn images."""
    draw = np.random.default_rng(0)
    images = len(columns[0])
    picks = (draw.integers(0, images, images) for _ in range(RESAMPLES // SHARE))
    return [[column[pick].mean() for column in columns] for pick in picks]


def main() -> None:
    """Print a row for each question."""
    draw = np.random.default_rng(0)
    one, other = draw.random((2, SEEDS, IMAGES)) < 0.8
    half = IMAGES // 2
    halves = [part for m in (one, other) for part in (m[:, :half], m[:, half:])]
    means = [part.mean(0) for part in halves]
    rows = {
        "interval of an accuracy": (
            lambda: accuracy_interval(one),
            lambda: by_index(one.mean(0)),
        ),
        "difference of accuracies": (
            lambda: compare_accuracy(one, other),
            lambda: by_index(one.mean(0) - other.mean(0)),
        ),
        "difference of H": (
            lambda: compare_h(*halves),
            lambda: (by_index(means[0], means[2]), by_index(means[1], means[3])),
        ),
    }
    print(f"{'':26}counts [ms]  indices [ms]  ratio")
    for name, (counts, indices) in rows.items():
        fast, slow = processor_seconds(counts, 15), SHARE * processor_seconds(indices, 3)
        print(f"{name:26}{1e3 * fast:11.1f}  {1e3 * slow:12.0f}  {slow / fast:5.0f}")


if __name__ == "__main__":
    main()
