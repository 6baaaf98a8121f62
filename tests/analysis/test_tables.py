"""Aggregation over seeds, by hand."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from analysis.material import RECIPES, analysis
from vlprompt_pipeline.analysis import make_plan, make_tables
from vlprompt_pipeline.analysis.runs import Result
from vlprompt_pipeline.analysis.tables import over_seeds


def test_means_spreads_and_h():
    rows = pd.DataFrame(
        [
            {"noise": 0.1, "seed": 1, "base": 80.0, "new": 60.0, "file_bytes": 100},
            {"noise": 0.1, "seed": 2, "base": 90.0, "new": 40.0, "file_bytes": 102},
            {"noise": 0.0, "seed": 1, "base": 50.0, "new": 50.0, "file_bytes": 7},
        ]
    )
    table = over_seeds(rows, ["noise"])
    assert table["noise"].tolist() == [0.1, 0.0]  # in the order of the rows
    first = table.iloc[0]
    assert (first["base_mean"], first["base_std"]) == (85.0, 5.0)
    assert (first["new_mean"], first["new_std"]) == (50.0, 10.0)
    assert first["h"] == pytest.approx(2 * 85 * 50 / 135)
    seeds = [2 * 80 * 60 / 140, 2 * 90 * 40 / 130]
    assert first["h_std"] == pytest.approx(abs(seeds[0] - seeds[1]) / 2)
    assert (first["n_seeds"], first["file_bytes"]) == (2, 102)
    assert table.loc[1, ["base_std", "new_std", "h_std"]].isna().all()  # of one seed


def test_every_table_from_results_known_by_hand():
    plan = make_plan(analysis(ablation_bits=4), RECIPES, 1)
    results = {run: _result(run.seed) for run in plan.runs()}
    afterwards = pd.DataFrame(
        {"training": "PTQ", "quantizer": "kmeans", "bits": bits, "seed": seed, **_SCORED}
        for bits in (1, 2, 4)
        for seed in plan.seeds
    )
    heads = pd.DataFrame({"title": ["GDA"], "n_seeds": [2]})
    made = make_tables(plan, results, afterwards, heads, bins=4, every=2)
    assert list(made) == [
        "storage",
        "noise",
        "histograms",
        "divergence",
        "quantization",
        "quantizers",
        "spectrum",
        "ablation",
        "heads",
    ]
    noise = made["noise"]
    assert noise["noise"].unique().tolist() == [0.0, 0.01]
    last = noise.query("noise == 0.01 and epoch == 2").iloc[0]
    assert (last["base_mean"], last["base_std"]) == (65.0, 5.0)  # 6 and 7 of 10
    assert last["new_mean"] == 10.0
    histogram = made["histograms"]
    assert histogram["epoch"].unique().tolist() == [0, 2]
    assert histogram.groupby("epoch")["share"].sum().tolist() == pytest.approx([1, 1])
    assert histogram["seed"].unique().tolist() == [1]
    assert made["divergence"]["epoch"].tolist() == [1, 2]
    assert made["divergence"]["kl_mean"].tolist() == [0.0, 0.0]  # the values do not move
    spectrum = made["spectrum"]
    assert spectrum["title"].unique().tolist() == ["CoOp", "RLP"]
    assert spectrum["density_mean"].tolist() == pytest.approx([0.75] * 6)  # 3 and 1
    assert spectrum["new_mean"].tolist() == [10.0] * 6
    assert made["ablation"]["stage"].tolist() == [
        "k-means",
        "+ normalise",
        "+ CAC",
        "after training",
        "not quantized",
    ]
    assert made["ablation"]["base_mean"].tolist() == [90.0, 90.0, 90.0, 55.0, 90.0]
    assert set(made["quantizers"]["training"]) == {"QAT", "PTQ"}
    assert set(made["quantizers"]["bits"]) == {1, 2}  # four are the ablation's alone
    assert made["storage"]["bits"].tolist() == [0, 0, 0, 0, 1, 2]
    assert all(
        (table["n_seeds"] == 2).all() for name, table in made.items() if name != "histograms"
    )


_SCORED = {
    "base": 55.0,
    "new": 45.0,
    "payload_bytes": 1,
    "file_bytes": 2,
    "trainable_parameters": 3,
}


def _result(seed: int) -> Result:
    """A prompt of two orthogonal tokens that never moves, with a few right answers of ten."""
    scores = {"base_correct": 9, "base_total": 10, "new_correct": 2, "new_total": 10}
    sizes = {"payload_bytes": 64, "file_bytes": 100, "trainable_parameters": 8}
    context = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    correct = torch.tensor([[4, 1], [5, 1], [5 + seed, 1]])
    return Result(scores | sizes, {}, correct, context.expand(3, -1, -1))
