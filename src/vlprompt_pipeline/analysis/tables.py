"""The numbers behind each figure: one tidy table a part, means and standard deviations over seeds.

Accuracies are in percent. `h` is the harmonic mean of the averaged base and new accuracy, as the
published tables take it; `h_std` is the population standard deviation of the seeds' own H.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.typing import SeriesGroupBy

from vlprompt_pipeline.analysis.material import HALVES
from vlprompt_pipeline.analysis.plan import Plan, Variant
from vlprompt_pipeline.analysis.runs import Result, Results, Run
from vlprompt_pipeline.analysis.weights import histograms, neighbour_divergence
from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.parametrizations.spectrum import (
    effective_rank,
    information_density,
    singular_values,
)

Rows = Iterator[dict[str, Any]]


def make_tables(
    plan: Plan,
    results: Results,
    afterwards: pd.DataFrame,
    heads: pd.DataFrame,
    bins: int,
    every: int,
) -> dict[str, pd.DataFrame]:
    """Return every table by name.

    Args:
        plan: what was trained.
        results: of every run of the plan.
        afterwards: scores of prompts quantized after training, as `post_training` makes them.
        heads: the table of heads, as `heads_table` makes it.
        bins: of the histograms.
        every: epochs between two of them.
    """
    in_training = _scores(plan.quantizers, plan.seeds, results).assign(training="QAT")
    compared = in_training[["quantizer", "bits"]].drop_duplicates()
    sweep = pd.concat([in_training, afterwards.merge(compared)], ignore_index=True)
    return {
        "storage": over_seeds(_scores(plan.storage, plan.seeds, results), ["title", "bits"]),
        "noise": over_seeds(_curves(plan.noise, plan.seeds, results), ["noise", "epoch"]),
        "histograms": _histograms(plan, results, bins, every),
        "divergence": _divergence(plan, results, bins),
        "quantization": over_seeds(
            _curves(plan.quantization, plan.seeds, results), ["bits", "epoch"]
        ),
        "quantizers": over_seeds(sweep, ["training", "quantizer", "bits"]),
        "spectrum": _spectrum(plan, results),
        "ablation": over_seeds(_ablation(plan, results, afterwards), ["stage"]),
        "heads": heads,
    }


def over_seeds(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return means and population standard deviations of each group, in the order of the rows.

    `base` and `new` become `base_mean`, `base_std`, …, H as above; of any other column the largest
    value stands.
    """
    frame = frame.assign(h=harmonic_mean(frame["base"], frame["new"]))
    table = means_over_seeds(frame, by, HALVES)
    groups = frame.groupby(list(by), sort=False)
    table["h"] = harmonic_mean(table["base_mean"], table["new_mean"])
    table["h_std"] = _std(groups["h"])
    rest = frame.columns.difference([*by, "seed", "h", *HALVES], sort=False)
    return table.join(groups[list(rest)].max()).reset_index()


def means_over_seeds(frame: pd.DataFrame, by: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Return `n_seeds`, and `<name>_mean` and `<name>_std` of each name, by group."""
    groups = frame.groupby(list(by), sort=False)
    table = groups[["seed"]].count().rename(columns={"seed": "n_seeds"})
    for name in names:
        table[f"{name}_mean"], table[f"{name}_std"] = groups[name].mean(), _std(groups[name])
    return table


def _std(values: SeriesGroupBy) -> pd.Series:
    """Return the population's, which is unknown of one seed."""
    return values.std(ddof=0).where(values.count() > 1)


def score_row(scores: Mapping[str, int]) -> dict[str, Any]:
    """Return accuracies and sizes of a packed prompt."""
    accuracy = {half: 100 * scores[f"{half}_correct"] / scores[f"{half}_total"] for half in HALVES}
    return accuracy | {
        name: scores[name] for name in ("payload_bytes", "file_bytes", "trainable_parameters")
    }


def _scores(variants: Sequence[Variant], seeds: Sequence[int], results: Results) -> pd.DataFrame:
    """Make one row a run: labels, seed, and what its packed prompt scores."""
    return pd.DataFrame(
        {**variant.labels, "seed": seed, **score_row(results[Run.of(variant.recipe, seed)].scores)}
        for variant in variants
        for seed in seeds
    )


def _curves(variants: Sequence[Variant], seeds: Sequence[int], results: Results) -> pd.DataFrame:
    """Make one row a (run, epoch); epoch 0 is before training."""
    return pd.DataFrame(
        {**variant.labels, "seed": seed, "epoch": epoch, "base": base, "new": new}
        for variant in variants
        for seed in seeds
        for epoch, (base, new) in enumerate(_accuracies(results[Run.of(variant.recipe, seed)]))
    )


def _accuracies(result: Result) -> list[list[float]]:
    totals = [result.scores[f"{half}_total"] for half in HALVES]
    return [
        [100 * right / total for right, total in zip(moment, totals, strict=True)]
        for moment in result.correct.tolist()
    ]


def _histograms(plan: Plan, results: Results, bins: int, every: int) -> pd.DataFrame:
    """Return shares of the values by bin every few epochs, of the first seed, from epoch 0 on."""
    contexts = results[Run.of(plan.plain, plan.seeds[0])].contexts
    counts, edges = (part.numpy() for part in histograms(contexts, bins))
    shares = counts / counts.sum(axis=1, keepdims=True)
    moments = [
        pd.DataFrame({"epoch": epoch, "low": edges[:-1], "high": edges[1:], "share": shares[epoch]})
        for epoch in range(0, len(contexts), every)
    ]
    return pd.concat(moments, ignore_index=True).assign(seed=plan.seeds[0])


def _divergence(plan: Plan, results: Results, bins: int) -> pd.DataFrame:
    """Return KL between the histograms of neighbouring epochs, in nats: mean and std over seeds."""
    rows = []
    for seed in plan.seeds:
        counts, _ = histograms(results[Run.of(plan.plain, seed)].contexts, bins)
        drift = enumerate(neighbour_divergence(counts).tolist(), start=1)
        rows += [{"seed": seed, "epoch": epoch, "kl": kl} for epoch, kl in drift]
    return means_over_seeds(pd.DataFrame(rows), ["epoch"], ["kl"]).reset_index()


def _spectrum(plan: Plan, results: Results) -> pd.DataFrame:
    """Return effective rank and ID_1 of the prompt in each epoch, beside new-class accuracy."""
    parts = []
    for variant in plan.spectrum:
        for seed in plan.seeds:
            result = results[Run.of(variant.recipe, seed)]
            values = singular_values(result.contexts)
            measured = pd.DataFrame(
                {
                    "epoch": range(len(values)),
                    "density": information_density(values, 1).tolist(),
                    "rank": effective_rank(values).tolist(),
                    "new": [new for _, new in _accuracies(result)],
                }
            )
            parts.append(measured.assign(**variant.labels, seed=seed))
    measured = ("density", "rank", "new")
    return means_over_seeds(pd.concat(parts), ["title", "epoch"], measured).reset_index()


def _ablation(plan: Plan, results: Results, afterwards: pd.DataFrame) -> pd.DataFrame:
    """Return the stages of the quantizer, then what they are to be compared with."""
    bits = plan.ablation[0].recipe.quantize.bits
    after = afterwards["quantizer"].eq("kmeans") & afterwards["bits"].eq(bits)
    columns = ["stage", "seed", *HALVES, "payload_bytes", "file_bytes", "trainable_parameters"]
    parts = [
        _scores(plan.ablation, plan.seeds, results),
        afterwards[after].assign(stage="after training"),
        _scores([Variant({"stage": "not quantized"}, plan.plain)], plan.seeds, results),
    ]
    return pd.concat([part[columns] for part in parts], ignore_index=True)
