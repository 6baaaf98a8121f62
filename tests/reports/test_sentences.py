"""Sentences against numbers made by hand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from results.made import base_to_new, right
from results.synthetic import comparison, with_holes
from vlprompt_pipeline.reports.sentences import count_cells, of_family, opening
from vlprompt_pipeline.results.metric_names import (
    in_sentence,
    lower_is_better,
    metric_order,
    metric_title,
)
from vlprompt_pipeline.results.verdicts import against

METHODS = {"zero_shot": "Zero-shot CLIP", "coop": "CoOp", "maple": "MaPLe"}
FAMILY = "base_to_new_vit_b16_16shots"


def by_hand(h: dict[str, float], verdicts: dict[str, str]):
    """One family on two datasets; `h` of each method everywhere, and the verdict on it."""
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd", "eurosat"])
    scores = made.scores[made.scores["metric"] == "h"].copy()
    scores["mean"], scores["std"] = scores["method"].map(h), 0.5
    scores[["inside", "published"]] = "", float("nan")
    pairs = made.pairs[(made.pairs["metric"] == "h") & (made.pairs["against"] == "zero_shot")]
    difference = pairs["method"].map(h) - h["zero_shot"]
    pairs = pairs.assign(
        difference=difference,
        low=difference - 1,
        high=difference + 1,
        p_holm=pairs["method"].map({"coop": 0.2, "maple": 0.0004}),
        verdict=pairs["method"].map(verdicts),
    )
    return replace(made, scores=scores, pairs=pairs)


def test_better_is_the_verdict_of_a_test_alone():
    nothing = dict.fromkeys(("coop", "maple"), "no difference shown")
    high, tested, single = of_family(
        by_hand({"zero_shot": 70, "coop": 72, "maple": 95}, nothing), FAMILY
    )
    assert high == "Highest H on average: MaPLe, 95.0 ± 0.5 %; Zero-shot CLIP has 70.0 %."
    assert tested == (
        "MaPLe against Zero-shot CLIP in H on average: no difference shown, p < 0.001 (9 tests); "
        "+25.0 points, 95 % interval +24.0 to +26.0."
    )
    assert single == (
        "Paired tests against Zero-shot CLIP on single datasets: 0 better, 0 worse, "
        "4 with no difference shown (corrected for 9 tests)."
    )


def test_learned_methods_that_are_equal_on_new_classes_are_not_said_to_be_apart():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    new = made.scores["metric"] == "new"
    equal = replace(made, scores=made.scores.assign(mean=made.scores["mean"].mask(new, 60.0)))
    assert "On new classes" in " ".join(of_family(made, FAMILY))
    assert "On new classes" not in " ".join(of_family(equal, FAMILY))


def test_the_learned_methods_are_told_apart_on_new_classes():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    new = made.scores[made.scores["metric"] == "new"].set_index("method")["mean"]
    low, high = sorted([("CoOp", new["coop"]), ("MaPLe", new["maple"])], key=lambda pair: pair[1])
    assert (
        f"On new classes the learned methods reach from {low[1]:.1f} % with {low[0]} to "
        f"{high[1]:.1f} % with {high[0]}; Zero-shot CLIP has {new['zero_shot']:.1f} %."
    ) in of_family(made, FAMILY)


def test_verdicts_are_counted_on_single_datasets():
    made = by_hand({"zero_shot": 70, "coop": 60, "maple": 80}, {"coop": "worse", "maple": "better"})
    _, tested, single, *_ = of_family(made, FAMILY)
    assert "in H on average: better, p < 0.001 (9 tests); +10.0 points" in tested
    assert "2 better, 2 worse, 0 with no difference shown" in single


def test_when_zero_shot_is_the_highest_no_test_of_it_is_told():
    made = by_hand(
        {"zero_shot": 70, "coop": 60, "maple": 65}, dict.fromkeys(("coop", "maple"), "worse")
    )
    high, single, *_ = of_family(made, FAMILY)
    assert high == "Highest H on average: Zero-shot CLIP, 70.0 ± 0.5 %."
    assert "4 worse" in single


@pytest.mark.parametrize(
    ("coop", "others"),
    [
        (75, "MaPLe, 75.0 ± 0.5 %; CoOp has as much; Zero-shot CLIP has 70.0 %."),
        (70, "MaPLe, 70.0 ± 0.5 %; Zero-shot CLIP, CoOp have as much."),
    ],
)
def test_all_that_share_the_highest_mean_are_named(coop, others):
    made = by_hand({"zero_shot": 70, "coop": coop, "maple": coop}, {})
    assert of_family(made, FAMILY)[0] == f"Highest H on average: {others}"


def test_one_image_in_two_hundred_thousand_is_not_as_much():
    made = by_hand({"zero_shot": 70, "coop": 74.9995, "maple": 75}, {})
    said = of_family(made, FAMILY)[0]
    assert said == "Highest H on average: MaPLe, 75.0 ± 0.5 %; Zero-shot CLIP has 70.0 %."


def test_a_single_seed_is_said_with_the_highest_mean():
    made = comparison(("few_shot",), methods=METHODS, datasets=["dtd"], seeds=(2,))
    assert "% (only seed 2); Zero-shot CLIP has" in of_family(made, "few_shot_vit_b16")[0]


def test_without_tests_nothing_is_called_better():
    made = by_hand({"zero_shot": 70, "coop": 60, "maple": 65}, {})
    sentences = of_family(replace(made, pairs=made.pairs[:0]), FAMILY)
    assert sentences[1:] == [
        "No paired test against zero-shot was made, so no method is called better than it."
    ]


def test_without_an_average_there_is_no_highest():
    made = by_hand({"zero_shot": 70, "coop": 60, "maple": 65}, {})
    holes = replace(made, scores=made.scores[made.scores["dataset"] != "average"])
    assert of_family(holes, FAMILY)[0] == (
        "No method has all of the 2 datasets, so none has an average."
    )


def test_a_flag_of_the_highest_is_told():
    made = by_hand({"zero_shot": 70, "coop": 75, "maple": 80}, {})
    flags = [("transductive",) if method == "maple" else () for method in made.scores["method"]]
    flagged = replace(made, scores=made.scores.assign(flags=flags), pairs=made.pairs[:0])
    assert of_family(flagged, FAMILY)[0] == (
        "Highest H on average: MaPLe, 80.0 ± 0.5 % (flagged: transductive); "
        "Zero-shot CLIP has 70.0 %."
    )


def test_published_figures_are_counted_by_side():
    made = by_hand({"zero_shot": 70, "coop": 60, "maple": 65}, {})
    sides = dict(enumerate(["yes", "yes", "no", "not stated"]))
    beside = made.scores.reset_index(drop=True)
    beside["inside"] = [sides.get(row, "") for row in beside.index]
    assert of_family(replace(made, scores=beside), FAMILY)[-1] == (
        "4 figures of ours beside a published one: 2 inside the variation stated there, "
        "1 outside, 1 where none is stated."
    )


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (0, "none that was asked for is missing"),
        (1, "one that was asked for is missing"),
        (3, "3 that were asked for are missing"),
    ],
)
def test_opening_counts_cells_and_holes(missing, told):
    made = with_holes(comparison(("cross_dataset",), methods=METHODS))
    made = replace(made, missing=made.missing[:missing])
    assert opening(made) == (f"9 finished cells of 3 methods on 11 datasets, in 1 table; {told}.")


def test_a_cell_with_targets_is_one_cell():
    scores = comparison(("cross_dataset", "base_to_new"), methods=METHODS).scores
    families = scores.groupby("family")
    of_source = families.get_group("cross_dataset_vit_b16_16shots")
    assert count_cells(of_source, "imagenet") == 3 * 3
    assert count_cells(families.get_group(FAMILY), "") == 3 * 11 * 3


def test_a_pair_is_turned_for_who_asks():
    tests = pd.DataFrame(
        [("maple", "coop", 2.0, 0.5, 3.0, "better"), ("coop", "zero_shot", 1.0, -1, 2, "worse")],
        columns=["method", "against", "difference", "low", "high", "verdict"],
    )
    assert against(tests, "coop").to_dict("records") == [
        tests.iloc[0].to_dict(),
        {
            "method": "zero_shot",
            "against": "coop",
            "difference": -1.0,
            "low": -2,
            "high": 1,
            "verdict": "better",
        },
    ]


def test_names_of_metrics():
    names = [
        "new_top5_accuracy",
        "h",
        "macro_f1",
        "base",
        "own_metric",
        "base_top5_accuracy",
        "calibration_error",
    ]
    titles = [metric_title(name) for name in sorted(names, key=metric_order)]
    assert titles[:3] == ["Base", "H", "Own metric"]
    assert titles.index("Base, top-5") + 1 == titles.index("New, top-5")
    assert {"Macro-F1", "Calibration error"} < set(titles)
    assert [in_sentence(name) for name in ("h", "generalised_h", "macro_f1", "base")] == [
        "H",
        "H among all classes",
        "macro-F1",
        "base",
    ]
    assert lower_is_better("new_calibration_error") and not lower_is_better("h")


def test_zero_shot_is_called_by_its_title_where_some_seed_of_it_has_no_new_classes():
    disk = base_to_new(seeds=(1,))
    disk.add("zero_shot", {"base": right(0.5)}, seed=2, bound=True)
    made = disk.compare()
    (family,) = made.families["family"]
    assert "CoOp against Zero-shot CLIP in H on demo_aerial: " in " ".join(of_family(made, family))
