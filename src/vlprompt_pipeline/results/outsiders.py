"""How well methods tell outsiders, with intervals over images, and quantized ones against hosts.

Seeds are averaged; what is asked is what other images of the same kind would have given. AUROC is a
U-statistic, so its interval and the paired test are DeLong's (DeLong et al., Biometrics 1988), on
the components that are averaged over seeds. The interval of FPR95 is a bootstrap of the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.evaluation.metrics.outsiders import OUTSIDERS
from vlprompt_pipeline.rejection import false_positive_rate
from vlprompt_pipeline.results.bootstrap import LEVEL, Interval, Paired
from vlprompt_pipeline.results.statistics import holm, verdict
from vlprompt_pipeline.wording import probability, signed

RESAMPLES = 1_000
_COLUMNS = (
    "method title score seeds images outsiders auroc auroc_low auroc_high "
    "fpr95 fpr95_low fpr95_high"
)


class Scores(NamedTuple):
    """Scores of one method: how much each image looks like one of the classes.

    Attributes:
        inside: `[seeds, images]` of images of the classes.
        outside: `[seeds, images]` of outsiders.
        seeds: their names.
        paths: of the images of either kind, in their order.
    """

    inside: np.ndarray
    outside: np.ndarray
    seeds: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, predictions: Mapping[str, pd.DataFrame], column: str) -> Scores | None:
        """Take them from the predictions by seed, images in one order; None without any.

        Raises:
            DataError: the seeds were tested on different images.
        """
        halves, paths = [], []
        for half in ("base", OUTSIDERS):
            tables = [
                table[table["half"] == half].sort_values("path") for table in predictions.values()
            ]
            if any(column not in table or table.empty for table in tables):
                return None
            if any(list(table["path"]) != list(tables[0]["path"]) for table in tables):
                raise DataError(
                    "the seeds of a method were tested on different images, which have no common "
                    "AUROC: run its cells again"
                )
            halves.append(np.stack([table[column].to_numpy(float) for table in tables]))
            paths.append(tuple(tables[0]["path"]))
        return cls(*halves, tuple(predictions), tuple(paths))

    def of_seeds(self, seeds: Sequence[str]) -> Scores:
        """Return those of some of the seeds."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return Scores(self.inside[rows], self.outside[rows], tuple(seeds), self.paths)


class Components(NamedTuple):
    """DeLong's components in percent: mean over the other side of "ranked right", by image."""

    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, scores: Scores) -> Components:
        """Average them over seeds."""
        pairs = zip(scores.inside, scores.outside, strict=True)
        parts = [(_share_below(a, b), 100 - _share_below(b, a)) for a, b in pairs]
        return cls(*(np.mean(side, axis=0) for side in zip(*parts, strict=True)))

    def less(self, other: Components) -> Components:
        """Subtract those of another method on the same images."""
        return Components(self.inside - other.inside, self.outside - other.outside)

    @property
    def mean(self) -> float:
        """The AUROC, or the difference of two, in percentage points."""
        return float(self.inside.mean())

    @property
    def error(self) -> float:
        """The standard error of the mean; NaN where one side is a single image."""
        return float(np.sqrt(sum(_variance(side) / len(side) for side in self)))

    @property
    def interval(self) -> Interval:
        """Of 95 %."""
        width = NormalDist().inv_cdf(0.5 + LEVEL / 2) * self.error
        return Interval(self.mean - width, self.mean + width)

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        if not self.error > 0:  # NaN: of a single image nothing is known
            return 1.0
        return 2 * NormalDist().cdf(-abs(self.mean) / self.error)


def fpr95_samples(scores: Scores) -> np.ndarray:
    """Return FPR95 in percent, averaged over seeds: of the images, then of bootstrap samples.

    Every call draws the same images, so that differences of two methods are paired.
    """
    draw = np.random.default_rng(0)
    n_inside, n_outside = scores.inside.shape[1], scores.outside.shape[1]
    rates = [_mean_fpr95(scores.inside, scores.outside)]
    for _ in range(RESAMPLES):
        inside = draw.integers(0, n_inside, n_inside)
        outside = draw.integers(0, n_outside, n_outside)
        rates.append(_mean_fpr95(scores.inside[:, inside], scores.outside[:, outside]))
    return np.array(rates)


def outsider_table(
    scores: Mapping[str, Mapping[str, Scores]], titles: Mapping[str, str]
) -> pd.DataFrame:
    """Make one row, of `_COLUMNS`, a method and kind of score; percentages with 95 % intervals.

    Args:
        scores: by kind of score, such as "energy", then by method.
        titles: of methods.
    """
    rows = []
    for kind, by_method in scores.items():
        for method, of_method in by_method.items():
            parts, samples = Components.of(of_method), fpr95_samples(of_method)
            low, high = np.percentile(samples[1:], [2.5, 97.5])
            auroc_low, auroc_high = np.clip(parts.interval, 0, 100)  # no image is ranked beyond
            counts = (*of_method.inside.shape, of_method.outside.shape[1])
            auroc = (parts.mean, auroc_low, auroc_high)
            rows.append((method, titles[method], kind, *counts, *auroc, samples[0], low, high))
    return pd.DataFrame(rows, columns=_COLUMNS.split())


def compare_with_hosts(
    scores: Mapping[str, Mapping[str, Scores]],
    hosts: Mapping[str, str],
    titles: Mapping[str, str],
) -> list[str]:
    """Compare quantized methods with their hosts at telling outsiders, a sentence a pair.

    Two methods are compared over the seeds that both have, on the same images; where there are
    none, that is said.

    Args:
        scores: as of `outsider_table`.
        hosts: the method that is the same without quantization, by method.
        titles: of methods.
    """
    tests: list[tuple[str, Paired, np.ndarray]] = []
    uncompared = []
    for kind, by_method in scores.items():
        for method, host in hosts.items():
            if method not in by_method or host not in by_method:
                continue
            ours, theirs = by_method[method], by_method[host]
            seeds = [seed for seed in ours.seeds if seed in theirs.seeds]
            if not seeds or ours.paths != theirs.paths:
                uncompared.append(
                    f"{titles[method]} and {titles[host]} are not compared by {kind}: they have no "
                    "seed with predictions of the same images in common"
                )
                continue
            ours, theirs = ours.of_seeds(seeds), theirs.of_seeds(seeds)
            gap = Components.of(ours).less(Components.of(theirs))
            paired = Paired(gap.mean, *gap.interval, gap.p_value, "DeLong")
            rates = fpr95_samples(ours) - fpr95_samples(theirs)
            tests.append((f"{titles[method]} against {titles[host]}, by {kind}", paired, rates))
    adjusted = holm([paired.p_value for _, paired, _ in tests])
    sentences = []
    for (what, paired, rates), p_value in zip(tests, adjusted, strict=True):
        low, high = np.percentile(rates[1:], [2.5, 97.5])
        sentences.append(
            f"{what}: AUROC {signed(paired.difference)} ({signed(paired.low)} to "
            f"{signed(paired.high)}), {verdict(paired, p_value)} ({probability(p_value)}, Holm "
            f"over {len(tests)}); FPR95 {signed(rates[0])} ({signed(low)} to {signed(high)})"
        )
    return sentences + uncompared


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else nan


def _share_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each score the percent of others below it; equal ones count one half."""
    ordered = np.sort(others)
    counts = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return 100.0 * counts / (2.0 * len(others))


def _mean_fpr95(inside: np.ndarray, outside: np.ndarray) -> float:
    pairs = zip(inside, outside, strict=True)
    return float(np.mean([false_positive_rate(a, b) for a, b in pairs]))
