"""Does quantization mend the over-confidence of trained prompts on new classes? Paired, by seed.

Run: python tests/speed/calibration.py <folder of runs> <plain recipe> <other recipe> …

The folder is data/07_model_output/<clip>/<dataset>/base_to_new/shots16 of a sweep over seeds. Each
recipe is compared with the plain one on the same test images: the difference of the expected
calibration error, and of mean confidence less accuracy, with an interval of 95 % over 1,000 drawn
sets of images (the same of both; the seeds' differences are averaged) and the difference of each
seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from vlprompt_pipeline.evaluation.metrics.calibration import calibration_error

DRAWS = 1000


def read(folder: Path, recipe: str, half: str) -> list[np.ndarray]:
    """Confidence and correctness on the images of a half, `[2, images]` for each seed."""
    tables = []
    for path in sorted(folder.glob(f"seed*/{recipe}/predictions.parquet")):
        table = pd.read_parquet(path)
        table = table[table["half"] == half].sort_values("path")
        right = table["label"] == table["prediction"]
        tables.append(np.stack([table["probability"], right]))
    return tables


def scores(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Calibration error and over-confidence in percent on some images."""
    sure, right = table[:, rows]
    return np.array([calibration_error(sure, right), 100 * (sure.mean() - right.mean())])


def main(folder: Path, plain: str, others: list[str]) -> None:
    """Print a table for base and for new classes."""
    for half in ("base", "new"):
        reference = read(folder, plain, half)
        everything = np.arange(reference[0].shape[1])
        own = np.array([scores(table, everything) for table in reference])
        print(f"| {half}: {plain} | {own[:, 0].mean():.1f} | {own[:, 1].mean():+.1f} | | |")
        generator = np.random.default_rng(0)
        drawn = generator.integers(0, len(everything), (DRAWS, len(everything)))
        for other in others:
            tables = read(folder, other, half)
            found = np.array([scores(table, everything) for table in tables])
            apart = [
                np.mean(
                    [
                        scores(b, rows) - scores(a, rows)
                        for a, b in zip(reference, tables, strict=True)
                    ],
                    0,
                )
                for rows in drawn
            ]
            low, high = np.percentile(np.array(apart)[:, 0], [2.5, 97.5])
            each = ", ".join(f"{value:+.1f}" for value in (found - own)[:, 0])
            print(
                f"| {half}: {other} | {found[:, 0].mean():.1f} | {found[:, 1].mean():+.1f} "
                f"| {(found - own)[:, 0].mean():+.1f} [{low:+.1f}, {high:+.1f}] | {each} |"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
