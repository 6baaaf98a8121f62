"""Intervals of AUROC and FPR95 over images, and quantized methods beside their hosts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from learners import COOP
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.pipelines.rejection.nodes import measure_rejection
from vlprompt_pipeline.rejection import auroc
from vlprompt_pipeline.results.cells import StoredResults
from vlprompt_pipeline.results.outsiders import (
    Components,
    Scores,
    compare_with_hosts,
    fpr95_samples,
    outsider_table,
)

NOT_COMPARED = (
    "Same and CoOp are not compared by energy: they have no seed with predictions of the same "
    "images in common"
)
NO_RECORDS = StoredResults({}, {})
RECIPES = {
    "coop": COOP,
    "other": {"extends": "coop", "title": "Other", "prompt": {"length": 3}},
    "qcoop": {"extends": "coop", "title": "QCoOp", "quantize": {"bits": 1}},
}


def drawn(seed: int, gap: float, inside: int = 60, outside: int = 40, seeds: int = 2) -> Scores:
    draw = np.random.default_rng(seed)
    return Scores(
        gap + draw.normal(size=(seeds, inside)).round(1),
        draw.normal(size=(seeds, outside)).round(1),
        tuple(f"seed{number}" for number in range(1, seeds + 1)),
    )


def test_the_mean_over_seeds_is_that_of_scikit_learn():
    scores = drawn(0, 1.0)
    known = np.r_[np.ones(60), np.zeros(40)]
    each = [
        100 * roc_auc_score(known, np.r_[inside, outside])
        for inside, outside in zip(scores.inside, scores.outside, strict=True)
    ]
    assert Components.of(scores).mean == pytest.approx(np.mean(each))
    assert Components.of(scores).outside.mean() == pytest.approx(np.mean(each))


def test_the_interval_is_as_wide_as_auroc_varies_over_images():
    one = [drawn(seed, 1.0, seeds=1) for seed in range(300)]
    spread = np.std([auroc(s.inside[0], s.outside[0]) for s in one])
    errors = [Components.of(s).error for s in one]
    assert np.mean(errors) == pytest.approx(spread, rel=0.1)
    truth = auroc(*(side.ravel() for side in drawn(1, 1.0, 5_000, 5_000)[:2]))
    held = [Components.of(s).interval for s in one]
    assert 0.91 < np.mean([low <= truth <= high for low, high in held]) < 0.98


def test_an_interval_ends_where_everything_is_ranked_right():
    """Of AUROC 99.9 with an error of 0.1 the upper bound would be above 100."""
    table = outsider_table({"energy": {"coop": drawn(0, 4.0, 60, 40)}}, {"coop": "CoOp"})
    row = table.iloc[0]
    assert 99 < row["auroc_low"] < row["auroc"] < row["auroc_high"] == 100


def test_fpr95_of_the_images_comes_first_and_samples_spread_around_it():
    samples = fpr95_samples(drawn(2, 2.0))
    assert len(samples) == 1_001
    low, high = np.percentile(samples[1:], [2.5, 97.5])
    assert low <= samples[0] <= high and low < high
    assert fpr95_samples(drawn(2, 2.0)).tolist() == samples.tolist()


def test_a_method_that_ranks_as_its_host_shows_no_difference_and_one_far_better_does():
    host, good = drawn(3, 0.5), drawn(3, 3.0)
    found = {"energy": {"coop": host, "same": host, "good": good}}
    titles = {"coop": "CoOp", "same": "Same", "good": "Good"}
    said = compare_with_hosts(found, {"same": "coop", "good": "coop"}, titles)
    assert said[0].startswith("Same against CoOp, by energy: AUROC 0.0 (0.0 to 0.0), no diff")
    assert "better (p < 0.001, Holm over 2)" in said[1]
    table = outsider_table(found, titles)
    assert table["auroc"].tolist()[0] == table["auroc"].tolist()[1] < table["auroc"].tolist()[2]


def predictions(seed: int, gap: float, energy: bool) -> pd.DataFrame:
    scores = drawn(seed, gap, seeds=1)
    parts = []
    for half, values in (("base", scores.inside[0]), ("outsiders", scores.outside[0])):
        part = pd.DataFrame({"half": half, "probability": values, "prediction": 0, "label": 0})
        part["path"] = [f"{half}/{number}" for number in range(len(part))]
        parts.append(part.assign(energy=values) if energy else part)
    return pd.concat(parts)


def test_all_seeds_of_a_cell_are_measured_and_nothing_else():
    places = {
        "demo/cats/base_to_new/shots4/seed1/coop": predictions(1, 1.0, True),
        "demo/cats/base_to_new/shots4/seed2/coop": predictions(2, 1.0, True),
        "demo/cats/base_to_new/shots4/seed1/qcoop": predictions(3, 1.0, False),
        "demo/cats/base_to_new/shots4/seed1/gone": predictions(3, 1.0, False),
        "demo/cats/base_to_new/shots4/seed1/coop/targets/dogs": predictions(3, 1.0, False),
        "demo/cats/base_to_new/shots40/seed1/coop": predictions(3, 1.0, True),
    }
    loaders = {name: lambda table=table: table for name, table in places.items()}
    cell = ("demo", "", "cats", 4, "base_to_new", {"base_share": 0.5})
    table, text, figure = measure_rejection(loaders, NO_RECORDS, RECIPES, *cell)
    rows = table.set_index(["method", "score"])["seeds"].to_dict()
    assert rows == {
        ("coop", "maximum softmax"): 2,
        ("qcoop", "maximum softmax"): 1,
        ("coop", "energy"): 2,
    }
    assert "QCoOp against CoOp, by maximum softmax" in text
    assert "40 of new classes" in text
    assert [line.get_label() for line in figure.axes[0].lines] == ["CoOp", "QCoOp"]


def test_a_title_with_brackets_is_shown_as_it_is():
    loaders = {"demo/cats/base_to_new/shots4/seed1/coop": lambda: predictions(1, 1.0, True)}
    recipes = {"coop": RECIPES["coop"] | {"title": "CoOp [deep] [/] :cat:"}}
    cell = ("demo", "", "cats", 4, "base_to_new", {"base_share": 0.5})
    _, text, _ = measure_rejection(loaders, NO_RECORDS, recipes, *cell)
    assert "CoOp [deep] [/] :cat:" in text


def test_seeds_with_different_test_images_are_refused():
    other = predictions(2, 1.0, True).replace({"path": {"base/0": "base/another"}})
    with pytest.raises(DataError, match="tested on different images"):
        Scores.of({"seed1": predictions(1, 1.0, True), "seed2": other}, "energy")
    with pytest.raises(DataError, match="tested on different images"):
        Scores.of({"seed1": predictions(1, 1.0, True), "seed2": other[1:]}, "energy")


def test_a_method_is_compared_with_its_host_over_the_seeds_that_both_have():
    host = drawn(3, 0.5, seeds=3)
    scores = {"energy": {"coop": host, "same": host.of_seeds(["seed2"])}}
    (said,) = compare_with_hosts(scores, {"same": "coop"}, {"coop": "CoOp", "same": "Same"})
    assert said.startswith("Same against CoOp, by energy: AUROC 0.0 (0.0 to 0.0), no diff")
    scores["energy"]["same"] = host.of_seeds(["seed2"])._replace(seeds=("seed4",))
    said = compare_with_hosts(scores, {"same": "coop"}, {"coop": "CoOp", "same": "Same"})
    assert said == [NOT_COMPARED]


def test_methods_that_were_tested_on_different_images_are_not_compared():
    tables = {f"seed{seed}": predictions(seed, 1.0, True) for seed in (1, 2)}
    other = {seed: table.replace({"path": {"base/0": "base/x"}}) for seed, table in tables.items()}
    host, same, foreign = (Scores.of(of, "energy") for of in (tables, tables, other))
    titles = {"coop": "CoOp", "same": "Same", "far": "Far"}
    found = {"energy": {"coop": host, "same": same, "far": foreign}}
    compared, left = compare_with_hosts(found, {"same": "coop", "far": "coop"}, titles)
    assert "Holm over 1" in compared
    assert left == NOT_COMPARED.replace("Same", "Far")


def test_of_a_single_outsider_no_difference_is_shown():
    host, better = drawn(3, 0.5, outside=1), drawn(4, 3.0, outside=1)
    titles = {"coop": "CoOp", "good": "Good"}
    (said,) = compare_with_hosts(
        {"energy": {"coop": host, "good": better}}, {"good": "coop"}, titles
    )
    assert "no difference shown (p = 1.000, Holm over 1)" in said


def test_without_held_out_classes_there_is_the_figure_alone():
    table = predictions(1, 1.0, True)
    loaders = {"demo/cats/few_shot/shots4/seed1/coop": lambda: table[table["half"] == "base"]}
    shown = ("demo", "", "cats", 4, "few_shot", {})
    rows, text, _ = measure_rejection(loaders, NO_RECORDS, RECIPES, *shown)
    assert rows.empty
    assert "no class is held out" in text
