"""One row a method from the records of a group: means over seeds, H, sizes, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.reports.summary_report.score_columns import (
    ScoreColumn,
    score_columns,
    target_names,
)
from vlprompt_pipeline.results.groups import Group
from vlprompt_pipeline.results.published import published, published_protocol
from vlprompt_pipeline.results.records import ZERO_SHOT, MethodResult, Score
from vlprompt_pipeline.wording import join, seeds_text, shots_text

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
_OF_SCORE = ("calibration_error", "top5_accuracy", "macro_f1")
_SIZES = ("trainable_parameters", "payload_bytes", "file_bytes", "fp16_bytes")


@dataclass(frozen=True)
class Summary:
    """The table of one group.

    Attributes:
        group: where the figures come from.
        table: one row a method with the columns `method, title, seeds, n_seeds, base_mean,
            base_std, new_mean, new_std, h, h_mean_of_seeds, h_std, trainable_parameters,
            payload_bytes, file_bytes, fp16_bytes, inference_cost`, for `base` and `new` each
            `base_calibration_error, base_top5_accuracy, base_macro_f1`, then `delta_base,
            delta_new, delta_h, published_base, published_new, published_h, published_source`.
            The scores of both halves among all classes, beyond the literature, are `generalised_*`
            with the names from `base_mean` to `h_std`. Accuracies in percent; `h` is the H of
            the averages, `delta_*` the difference to zero-shot; NaN where there is nothing to say,
            as of new classes and targets with a method that is bound to those of training.
            A protocol on all classes has no column of new classes and of H, but with targets
            `on_<dataset>_mean`, `on_<dataset>_std` of each and `on_average_*` over them. Only
            published protocols have `published_*`.
        per_seed: one row a (method, seed), methods in the order of the records, with the columns
            `method, seed, base` and, with new classes, `new, h`, with targets their `on_*`, which
            may be NaN too.
    """

    group: Group
    table: pd.DataFrame
    per_seed: pd.DataFrame

    @property
    def has_new(self) -> bool:
        """Whether a method has a score on new classes."""
        return self.group.has_new and bool(self.table["h"].notna().any())

    @property
    def has_generalised(self) -> bool:
        """Whether a method has scores of both halves among all classes."""
        return self.group.has_new and bool(self.table["generalised_h"].notna().any())

    @property
    def scores(self) -> tuple[ScoreColumn, ...]:
        """The accuracies of the table; the last one ranks the methods."""
        return score_columns(self.group, scored_new=self.has_new)

    @property
    def ranking(self) -> ScoreColumn:
        """H, or the average over targets, or the accuracy on the classes of training."""
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
    targets = target_names(group)
    table = pd.DataFrame([_method_row(seeds, group, targets) for seeds in results.values()])
    table = _with_published(_with_deltas(table, group), group)
    per_seed = pd.DataFrame(
        [
            _seed_row(seed, result, group, targets)
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


def _seed_row(
    seed: int, result: MethodResult, group: Group, targets: Sequence[str]
) -> dict[str, object]:
    row: dict[str, object] = {
        "method": result.method,
        "seed": seed,
        "base": result.base.accuracy,
    }
    if group.has_new:
        row["new"] = row["h"] = float("nan")
    if result.new is not None:
        row["new"] = result.new.accuracy
        row["h"] = metrics.harmonic_mean(result.base.accuracy, result.new.accuracy)
    return row | _on_targets(result, targets)


def _on_targets(result: MethodResult, targets: Sequence[str]) -> dict[str, float]:
    """Accuracy on each target and, last, their average; NaN for what is bound to its classes."""
    if not result.targets:
        return dict.fromkeys(targets, float("nan"))
    values = [score.accuracy for score in result.targets]
    return dict(zip(targets, (*values, sum(values) / len(values)), strict=True))


def _method_row(
    seeds: dict[int, MethodResult], group: Group, targets: Sequence[str]
) -> dict[str, object]:
    results = list(seeds.values())
    row: dict[str, object] = {
        "method": results[-1].method,
        "title": results[-1].title,
        "seeds": tuple(seeds),
        "n_seeds": len(seeds),
    }
    if group.has_new:
        row |= _base_new_h([(result.base, result.new) for result in results])
        together = [(g.base, g.new) if (g := r.generalised) else (None, None) for r in results]
        row |= {f"generalised_{name}": value for name, value in _base_new_h(together).items()}
    else:
        accuracies = [result.base.accuracy for result in results]
        row["base_mean"], row["base_std"] = metrics.mean_and_std(accuracies)
    found = [_on_targets(result, targets) for result in results]
    for name in targets:
        row[f"{name}_mean"], row[f"{name}_std"] = metrics.mean_and_std([one[name] for one in found])
    # A file's metadata may differ by a few bytes from seed to seed: the largest is what may ship.
    row |= {size: max(getattr(result, size) for result in results) for size in _SIZES}
    row["inference_cost"] = _mean([result.inference_cost for result in results])
    for half in ("base", "new") if group.has_new else ("base",):
        scores = [getattr(result, half) for result in results]
        for name in _OF_SCORE:
            values = [score.metrics.get(name) if score else None for score in scores]
            row[f"{half}_{name}"] = _mean(values)
    return row


def _base_new_h(scores: Sequence[tuple[Score | None, Score | None]]) -> dict[str, float]:
    """Means over seeds of pairs of scores and both conventions of H; NaN where a seed lacks one."""
    base, new = (
        [score.accuracy if score else float("nan") for score in half]
        for half in zip(*scores, strict=True)
    )
    each = [metrics.harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]
    base_mean, base_std = metrics.mean_and_std(base)
    new_mean, new_std = metrics.mean_and_std(new)
    h_mean_of_seeds, h_std = metrics.mean_and_std(each)
    return {
        "base_mean": base_mean,
        "base_std": base_std,
        "new_mean": new_mean,
        "new_std": new_std,
        "h": metrics.h_of_averages(base, new),
        "h_mean_of_seeds": h_mean_of_seeds,
        "h_std": h_std,
    }


def _mean(values: list[float | None]) -> float:
    """NaN where a value is missing, as in records of earlier versions."""
    return float("nan") if None in values else sum(values) / len(values)


def _with_deltas(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Add the differences to zero-shot; NaN if the group has no zero-shot."""
    zero_shot = table[table["method"] == ZERO_SHOT]
    for score in score_columns(group):
        table[score.delta] = table[score.mean] - (
            zero_shot[score.mean].iloc[0] if len(zero_shot) else float("nan")
        )
    return table


def _with_published(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Add the published figures of the same protocol, CLIP and split, where the CSV knows any."""
    key = group.key
    if key.random_split:
        return table
    protocol = published_protocol(key.protocol, key.clip, key.dataset, key.shots)
    if protocol is None:
        return table
    sources: dict[str, dict[str, None]] = {method: {} for method in table["method"]}
    for score in score_columns(group):
        dataset, metric = score.printed
        values = []
        for method in table["method"]:
            value, source = published(protocol, method, dataset or key.dataset).get(
                metric, (float("nan"), "")
            )
            values.append(value)
            sources[method] |= {source: None} if source else {}
        table[score.published] = values
    if not any(sources.values()):
        return table.drop(columns=[score.published for score in score_columns(group)])
    table["published_source"] = ["; ".join(found) for found in sources.values()]
    return table
