"""Published figures, their variation, and flags."""

from __future__ import annotations

import csv
import math
from importlib.resources import files

import pytest

from results.made import Disk, base_to_new, right, score_row
from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.flags import MEANINGS, TUNED, flags_of
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.left_out import left_out
from vlprompt_pipeline.results.printed import Variation, inside, stated_variation
from vlprompt_pipeline.results.published import published
from vlprompt_pipeline.results.report_table import report_table


def of_vit(method: str, dataset: str, base: float, new: float, **cell):
    disk = Disk()
    disk.add(
        method, {"base": right(base), "new": right(new)}, clip="vit_b16", dataset=dataset, **cell
    )
    return disk.compare(clip="vit_b16")


def test_the_published_figure_stands_beside_ours_with_the_difference():
    comparison = of_vit("coop", "eurosat", 0.9, 0.5)
    for metric, name in (("base", "base"), ("new", "new"), ("h", "H")):
        value, source = published("base_to_new_16shot_vitb16", "coop", "eurosat")[name]
        row = score_row(comparison, metric=metric)
        assert (row["published"], row["published_source"]) == (value, source)
        assert row["delta"] == pytest.approx(row["mean"] - value)
        assert row["inside"] == "not stated"


def test_a_row_that_was_made_otherwise_has_the_figure_of_its_recipe_in_every_table():
    disk = Disk()
    for seed, code in ((1, "1" * 8), (2, "1" * 8), (3, "2" * 8)):
        for dataset in ("dtd", "eurosat", "ucf101"):
            halves = {"base": right(0.9), "new": right(0.5)}
            place = disk.add("coop", halves, clip="vit_b16", dataset=dataset, seed=seed)
            made_with = {"settings": {}, "images": "i", "clip": "c", "code": code}
            disk.records[place]["methods"][0]["made_with"] = made_with
    whole = disk.compare()
    names = {"coop", "coop (code 22222222)"}
    value, _ = published("base_to_new_16shot_vitb16", "coop", "eurosat")["base"]
    scores = whole.scores[whole.scores["dataset"].eq("eurosat") & whole.scores["metric"].eq("base")]
    assert scores.set_index("method")["published"].to_dict() == dict.fromkeys(names, value)
    table = report_table(read_records(disk.records)[0])
    rows = table[table["dataset"] == "eurosat"].set_index("method")
    assert rows["published_base"].to_dict() == dict.fromkeys(names, value)
    ranks = left_out(whole).set_index("method")
    assert set(ranks.index) == names
    assert ranks["published"].nunique() == 1 and ranks["published"].notna().all()


@pytest.mark.parametrize(
    "cell", [{"shots": 4}, {"random_split": "own random split, seed 1"}, {"clip": "demo"}]
)
def test_nothing_is_published_of_other_conditions(cell):
    disk = Disk()
    halves = {"base": right(0.9), "new": right(0.5)}
    disk.add("coop", halves, **{"clip": "vit_b16", "dataset": "eurosat", **cell})
    scores = disk.compare().scores
    assert scores["published"].isna().all()
    assert set(scores["inside"]) == {""}


@pytest.mark.parametrize(("new", "answer"), [(0.83, "yes"), (0.86, "no"), (0.74, "no")])
def test_inside_is_within_one_printed_deviation(new, answer):
    """MMRL on new classes of EuroSAT: 80.17 ± 5.05, the noisiest cell of the literature."""
    row = score_row(of_vit("mmrl", "eurosat", 0.9, new), metric="new")
    assert (row["published"], row["published_std"]) == (80.17, 5.05)
    assert row["inside"] == answer


def test_the_bounds_are_inside():
    assert inside(85.0, Variation(80.0, 5.0)) == "yes"
    assert inside(85.01, Variation(80.0, 5.0)) == "no"
    assert inside(85.0, None) == "not stated"


def test_every_stated_variation_is_of_a_published_figure():
    folder = files("vlprompt_pipeline.results")
    stated = list(csv.DictReader(folder.joinpath("stated_variation.csv").read_text().splitlines()))
    table = files("vlprompt_pipeline.results").joinpath("published_results.csv").read_text()
    key = ("protocol", "method", "dataset", "metric")
    known = {
        tuple(row[k] for k in key): float(row["value"])
        for row in csv.DictReader(table.splitlines())
    }
    assert len(stated) == 4
    for row in stated:
        variation = stated_variation(*(row[k] for k in key))
        assert variation == (float(row["mean"]), float(row["std"]))
        assert abs(known[tuple(row[k] for k in key)] - variation.mean) < 1, "another printing"


def test_the_published_average_stands_beside_all_11_datasets_only():
    disk = base_to_new(sorted(PUBLISHED_DATASETS), ("coop",), seeds=(1,))
    for record in disk.records.values():
        record["cell"]["clip"] = "vit_b16"
    disk.predictions = {
        place.replace("demo/", "vit_b16/", 1): table for place, table in disk.predictions.items()
    }
    row = score_row(disk.compare(), dataset=AVERAGE, metric="h")
    assert row["published"] == 71.66
    del disk.records["demo/dtd/base_to_new/shots16/seed1/coop"]
    assert math.isnan(score_row(disk.compare(), dataset=AVERAGE, metric="h")["published"])


def test_the_published_average_over_targets_is_over_the_four_shifts():
    shifts = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")
    disk = Disk()
    disk.add(
        "coop",
        {"base": right(0.7)},
        protocol="domain_generalisation",
        clip="vit_b16",
        dataset="imagenet",
        targets={name: right(0.5) for name in shifts},
    )
    comparison = disk.compare()
    for dataset in ("imagenet", *shifts, AVERAGE):
        row = score_row(comparison, dataset=dataset, metric="accuracy")
        printed = published("domain_generalization_16shot_imagenet_vitb16", "coop", dataset)
        assert row["published"] == printed["acc"][0]


def test_flags_are_known_and_of_what_they_say():
    rows = csv.DictReader(
        files("vlprompt_pipeline.results").joinpath("flags.csv").read_text().splitlines()
    )
    rows = list(rows)
    assert {row["flag"] for row in rows} == set(MEANINGS) - {TUNED}
    assert {row["whose"] for row in rows} == {"ours", "published"}
    assert all(row["source"] for row in rows)
    assert flags_of("published", "promptkd", "cross_dataset") == ("transductive", "larger teacher")
    assert flags_of("published", "promptsrc", "base_to_new") == ()
    assert flags_of("published", "promptsrc", "few_shot") == ("per-dataset aggregation",)
    assert "test-selected" in flags_of("published", "tip_adapter_f", "few_shot")
    assert "test-selected" not in flags_of("ours", "tip_adapter_f", "few_shot")


def test_flags_stand_beside_the_figure_they_are_of():
    row = score_row(of_vit("coop", "eurosat", 0.9, 0.5), metric="base")
    assert (row["flags"], row["published_flags"]) == ((), ("per-dataset epochs",))
    disk = base_to_new(methods=("coop", "linear_probe"), seeds=(1,))
    scores = disk.compare().scores.drop_duplicates("method").set_index("method")
    assert scores["flags"].to_dict() == {"coop": (), "linear_probe": ("validation-selected",)}
    assert set(scores["published_flags"]) == {()}, "nothing is published of this CLIP"


def test_a_recipe_with_settings_for_a_dataset_is_flagged_there_and_in_the_average():
    disk = base_to_new(("demo_aerial", "demo_flags"), ("zero_shot", "coop"), seeds=(1,))
    place = "demo/demo_flags/base_to_new/shots16/seed1/coop"
    disk.records[place]["methods"][0]["tuned_per_dataset"] = True
    comparison = disk.compare()
    flagged = comparison.scores[comparison.scores["flags"].map(lambda flags: TUNED in flags)]
    assert set(flagged["method"]) == {"coop"}
    assert set(flagged["dataset"]) == {"demo_flags", AVERAGE}
