"""One row a method from the records of a group: means over seeds, H, sizes, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.evaluation.published import published, published_protocol
from vlprompt_pipeline.evaluation.records import ZERO_SHOT, Group, MethodResult
from vlprompt_pipeline.evaluation.wording import join, seeds_text, shots_text

_KEY_COLUMNS = (
    "protocol",
    "clip",
    "dataset",
    "shots",
    "template_set",
    "weights_sha256",
    "split_sha256",
    "random_split",
)
_OF_NEW_CLASSES = ("new_mean", "new_std", "h", "h_mean_of_seeds", "h_std")
_SIZES = ("trainable_parameters", "payload_bytes", "file_bytes", "fp16_bytes")


class ScoreColumn(NamedTuple):
    """One accuracy of the table: its heading, its name in a sentence and its columns."""

    heading: str
    name: str
    mean: str
    std: str
    delta: str
    published: str


_BASE_NEW_H = (
    ScoreColumn("Base", "base accuracy", "base_mean", "base_std", "delta_base", "published_base"),
    ScoreColumn("New", "new accuracy", "new_mean", "new_std", "delta_new", "published_new"),
    ScoreColumn("H", "H", "h", "h_std", "delta_h", "published_h"),
)
_BASE_ALONE = _BASE_NEW_H[:1]
_ALL_CLASSES = (
    ScoreColumn("Accuracy", "accuracy", "base_mean", "base_std", "delta_base", "published_base"),
)


@dataclass(frozen=True)
class Summary:
    """The table of one group.

    Attributes:
        group: where the figures come from.
        table: one row a method with the columns `method, title, seeds, n_seeds, base_mean,
            base_std, new_mean, new_std, h, h_mean_of_seeds, h_std, trainable_parameters,
            payload_bytes, file_bytes, fp16_bytes, inference_cost, base_calibration_error,
            new_calibration_error, delta_base, delta_new, delta_h, published_base,
            published_new, published_h, published_source`. Accuracies in percent; `h` is the H of
            the averages, `delta_*` the difference to zero-shot; NaN where there is nothing to say,
            as of new classes with a method that is bound to those of training.
            A protocol on all classes has no column of new classes and of H, and only published
            protocols have `published_*`.
        per_seed: one row a (method, seed), methods in the order of the records, with the columns
            `method, seed, base` and, with new classes, `new, h`, which may be NaN too.
    """

    group: Group
    table: pd.DataFrame
    per_seed: pd.DataFrame

    @property
    def has_new(self) -> bool:
        """Whether a method has a score on new classes."""
        return self.group.has_new and bool(self.table["h"].notna().any())

    @property
    def scores(self) -> tuple[ScoreColumn, ...]:
        """The accuracies of the table; the last one ranks the methods."""
        if self.has_new:
            return _BASE_NEW_H
        return _BASE_ALONE if self.group.has_new else _ALL_CLASSES

    @property
    def ranking(self) -> ScoreColumn:
        """H, or the accuracy where no class is held out or none can be scored."""
        return self.scores[-1]

    @property
    def conditions(self) -> str:
        """For instance "demo_counts, 16 shots, seeds 1–3"."""
        key = self.group.key
        return f"{key.data}, {shots_text(key.shots)}, {seeds_text(self.group.seeds)}"

    def row(self, method: str) -> dict[str, object] | None:
        """The row of a method, None if the group lacks it."""
        rows = self.table[self.table["method"] == method].to_dict("records")
        return rows[0] if rows else None


def summarise(group: Group, *, by_score: bool = False) -> Summary:
    """Aggregate a group over its seeds.

    Rows come in the order in which the records list the methods, or by descending H (accuracy where
    no class is held out) if `by_score`.
    """
    results: dict[str, dict[int, MethodResult]] = {}
    for record in group.records:
        for result in record.methods:
            results.setdefault(result.method, {})[record.cell.seed] = result
    table = pd.DataFrame([_method_row(seeds, group.has_new) for seeds in results.values()])
    table = _with_published(_with_deltas(table), group)
    per_seed = pd.DataFrame(
        [
            _seed_row(seed, result, group.has_new)
            for seeds in results.values()
            for seed, result in seeds.items()
        ]
    )
    summary = Summary(group, table, per_seed)
    if by_score:
        ranked = table.sort_values(
            summary.ranking.mean, ascending=False, kind="stable", ignore_index=True
        )
        return Summary(group, ranked, per_seed)
    return summary


def to_csv_frame(summaries: Sequence[Summary]) -> pd.DataFrame:
    """All groups in one frame, full precision, the key of the group in the first columns."""
    frames = []
    for summary in summaries:
        frame = summary.table.assign(seeds=summary.table["seeds"].map(join))
        for position, column in enumerate(_KEY_COLUMNS):
            frame.insert(position, column, getattr(summary.group.key, column))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _seed_row(seed: int, result: MethodResult, has_new: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "method": result.method,
        "seed": seed,
        "base": result.base.accuracy,
    }
    if has_new:
        row["new"] = row["h"] = float("nan")
    if result.new is not None:
        row["new"] = result.new.accuracy
        row["h"] = metrics.harmonic_mean(result.base.accuracy, result.new.accuracy)
    return row


def _method_row(seeds: dict[int, MethodResult], has_new: bool) -> dict[str, object]:
    results = list(seeds.values())
    base = [result.base.accuracy for result in results]
    row: dict[str, object] = {
        "method": results[-1].method,
        "title": results[-1].title,
        "seeds": tuple(seeds),
        "n_seeds": len(seeds),
    }
    row["base_mean"], row["base_std"] = metrics.mean_and_std(base)
    if has_new:
        row |= dict.fromkeys(_OF_NEW_CLASSES, float("nan"))
    new = [result.new.accuracy for result in results if result.new is not None]
    if len(new) == len(results):
        row["new_mean"], row["new_std"] = metrics.mean_and_std(new)
        row["h"] = metrics.h_of_averages(base, new)
        row["h_mean_of_seeds"], row["h_std"] = metrics.mean_and_std(
            [metrics.harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]
        )
    # A file's metadata may differ by a few bytes from seed to seed: the largest is what may ship.
    row |= {size: max(getattr(result, size) for result in results) for size in _SIZES}
    row["inference_cost"] = _mean([result.inference_cost for result in results])
    row["base_calibration_error"] = _mean([result.base.calibration_error for result in results])
    if has_new:
        of_new = [result.new.calibration_error if result.new else None for result in results]
        row["new_calibration_error"] = _mean(of_new)
    return row


def _mean(values: list[float | None]) -> float:
    """NaN where a value is missing, as in records of earlier versions."""
    return float("nan") if None in values else sum(values) / len(values)


def _with_deltas(table: pd.DataFrame) -> pd.DataFrame:
    """Add the differences to zero-shot; NaN if the group has no zero-shot."""
    columns = {"delta_base": "base_mean", "delta_new": "new_mean", "delta_h": "h"}
    zero_shot = table[table["method"] == ZERO_SHOT]
    for delta, mean in columns.items():
        if mean in table:
            table[delta] = table[mean] - (
                zero_shot[mean].iloc[0] if len(zero_shot) else float("nan")
            )
    return table


def _with_published(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Add the published figures of the same protocol, CLIP and split, where the CSV knows any."""
    key = group.key
    if key.random_split:
        return table
    protocol = published_protocol(key.protocol, key.clip, key.shots)
    if protocol is None:
        return table
    figures = [published(protocol, method, key.dataset) for method in table["method"]]
    if not any(figures):
        return table
    names = {"base": "base", "new": "new", "h": "H"} if group.has_new else {"base": "acc"}
    for ours, theirs in names.items():
        table[f"published_{ours}"] = [
            found[theirs][0] if theirs in found else float("nan") for found in figures
        ]
    table["published_source"] = [
        "; ".join(dict.fromkeys(source for _, source in found.values())) for found in figures
    ]
    return table
