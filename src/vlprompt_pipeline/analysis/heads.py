"""Bits of what is no prompt: classifiers of image features, and matrices inside the towers.

Those that are trained are quantized while and after training; those that are computed from the
images at once, like GDA, have no training and are quantized as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from vlprompt_pipeline.analysis.after import score_quantized
from vlprompt_pipeline.analysis.material import HALVES, Material
from vlprompt_pipeline.analysis.plan import Plan, Variant
from vlprompt_pipeline.analysis.runs import Results, Run
from vlprompt_pipeline.analysis.tables import means_over_seeds
from vlprompt_pipeline.parametrizations import QuantizeConfig

QAT, PTQ, FULL = "QAT", "PTQ", "none"
WAYS = {QAT: "while training", PTQ: "after training"}
"""When a prompt or a head was quantized, in words; the tables say `FULL` where it was not."""


def heads_table(
    plan: Plan, results: Results, material: Material, bits: Sequence[int]
) -> pd.DataFrame:
    """Return accuracy of every head by bits, way and half.

    Means and standard deviations over seeds.

    Heads that are bound to the classes of training have no row of new classes. Accuracies are in
    percent, bytes those of the largest file of any seed.
    """
    rows = [*_trained(plan, results), *_afterwards(plan, results, material, bits)]
    frame, by = pd.DataFrame(rows), ["title", "training", "bits", "half"]
    table = means_over_seeds(frame, by, ["accuracy"])
    table.columns = ["n_seeds", "mean", "std"]
    return table.join(frame.groupby(by)["file_bytes"].max()).reset_index()


def _trained(plan: Plan, results: Results) -> Iterator[dict[str, Any]]:
    for variant in plan.heads:
        for seed in plan.seeds:
            scores = results[Run.of(variant.recipe, seed)].scores
            way = QAT if variant.labels["bits"] else FULL
            yield from _rows(variant, way, variant.labels["bits"], seed, scores)


def _afterwards(
    plan: Plan, results: Results, material: Material, all_bits: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Score the unquantized heads as files of every number of bits."""
    for variant in plan.heads:
        if variant.labels["bits"]:
            continue
        for bits in all_bits:
            config = QuantizeConfig(bits=bits, post_training=True)
            for seed in plan.seeds:
                scores = score_quantized(Run.of(variant.recipe, seed), config, results, material)
                yield from _rows(variant, PTQ, bits, seed, scores)


def _rows(
    variant: Variant, way: str, bits: int, seed: int, scores: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    for half in HALVES:
        if total := scores.get(f"{half}_total"):
            yield {
                "title": variant.labels["title"],
                "training": way,
                "bits": bits,
                "half": half,
                "seed": seed,
                "accuracy": 100 * scores[f"{half}_correct"] / total,
                "file_bytes": scores["file_bytes"],
            }
