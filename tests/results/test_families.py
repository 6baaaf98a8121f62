"""Cells of different weights, splits, templates, classes or protocols never meet in a table."""

from __future__ import annotations

import pytest

from results.made import Disk, base_to_new, right, score_row
from vlprompt_pipeline.results.dataset_names import AVERAGE

HALVES = {"base": right(0.8), "new": right(0.6)}


def of_two(**second) -> Disk:
    """The same cell twice, the second as told; kept apart on disk by the seed."""
    disk = Disk()
    disk.add("coop", HALVES)
    disk.add("coop", HALVES, **{"seed": 2, **second})
    return disk


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights_sha256": "f" * 64}, "weights ffffffff"),
        ({"template_set": "photo"}, "templates photo"),
        ({"split_sha256": "f" * 64}, "demo_aerial of data"),
        ({"random_split": "own random split, seed 1"}, "demo_aerial of data"),
    ],
)
def test_what_looks_alike_stands_apart_and_is_said(change, said):
    comparison = of_two(**change).compare()
    assert len(comparison.families) == 2
    assert comparison.families["family"].is_unique
    title = rf"base to new, 16 shots, CLIP demo \({said}( \w+)?\)"
    assert comparison.families["title"].str.fullmatch(title).any()
    assert set(comparison.scores["n_seeds"]) == {1}


def test_weights_of_two_clips_are_said_plainly():
    remarks = of_two(weights_sha256="f" * 64).compare().remarks
    assert (
        "demo_aerial, 16 shots was run with different CLIP weights: the results stand in 2 "
        "separate tables and are not averaged." in remarks
    )


def test_nothing_of_other_weights_is_beside_a_run():
    disk = of_two(weights_sha256="f" * 64)
    made = disk.compare_beside("demo/demo_aerial/base_to_new/shots16/seed1/coop")
    assert set(made.families["weights_sha256"]) == {"a" * 64}
    assert made.remarks == ()


def test_other_classes_stand_apart():
    disk = of_two()
    place = "demo/demo_aerial/base_to_new/shots16/seed2/coop"
    disk.records[place]["classes"]["base"] = ["square"]
    assert len(disk.compare().families) == 2


@pytest.mark.parametrize("change", [{"protocol": "few_shot"}, {"shots": 4}, {"clip": "other"}])
def test_protocols_shots_and_clips_are_families(change):
    disk = Disk()
    disk.add("coop", HALVES)
    halves = {"base": HALVES["base"]} if "protocol" in change else HALVES
    disk.add("coop", halves, **change)
    assert len(disk.compare().families) == 2


def test_a_dataset_with_two_splits_counts_in_no_average():
    disk = base_to_new(("demo_aerial", "demo_flags", "demo_glyphs"), seeds=(1,))
    disk.add("coop", HALVES, dataset="demo_flags", seed=2, split_sha256="f" * 64)
    comparison = disk.compare()
    assert len(comparison.families) == 3
    averaged = comparison.scores[comparison.scores["dataset"] == AVERAGE]
    (family,) = set(averaged["family"])
    own = comparison.of(family)
    assert set(own["dataset"]) == {"demo_aerial", "demo_glyphs", AVERAGE}


def test_shots_of_few_shot_stand_side_by_side():
    disk = Disk()
    for shots in (1, 4):
        disk.add("coop", {"base": right(0.5 + shots / 100)}, shots=shots)
    comparison = disk.compare()
    assert comparison.families["shots"].tolist() == [0]
    assert score_row(comparison, shots=4, metric="accuracy")["mean"] == pytest.approx(54)


def test_an_average_at_some_shots_is_over_the_datasets_of_all_shots():
    """A curve whose points are over different datasets would show these, not the shots."""
    disk = Disk()
    for dataset, shots in (("demo_aerial", 1), ("demo_aerial", 4), ("demo_flags", 4)):
        disk.add("coop", {"base": right(0.5)}, dataset=dataset, shots=shots)
    scores = disk.compare().scores
    assert set(scores.loc[scores["dataset"] == AVERAGE, "shots"]) == {4}


def test_other_targets_are_another_family():
    disk = Disk()
    for seed, target in ((1, "demo_flags"), (2, "demo_glyphs")):
        disk.add(
            "coop",
            {"base": right(0.8)},
            protocol="cross_dataset",
            seed=seed,
            targets={target: right(0.5)},
        )
    comparison = disk.compare()
    assert len(comparison.families) == 2
    assert any("different targets" in remark for remark in comparison.remarks)


def test_an_own_random_split_is_part_of_the_name():
    disk = Disk()
    disk.add("coop", HALVES, dataset="my_photos", random_split="own random split, seed 1")
    names = set(disk.compare().scores["dataset"])
    assert names == {"my_photos (own random split, seed 1)"}


def test_own_photos_and_demo_datasets_have_no_average_in_common():
    comparison = base_to_new(("demo_aerial", "demo_flags", "my_photos")).compare()
    averaged = comparison.scores[comparison.scores["dataset"] == AVERAGE]
    (family,) = averaged["family"].unique()
    assert set(comparison.of(family)["dataset"]) == {"demo_aerial", "demo_flags", AVERAGE}
    assert [title for title in comparison.families["title"] if "own photos" in title] == [
        "base to new, own photos, 16 shots, CLIP demo"
    ]


def test_tables_of_one_title_are_told_apart_by_the_kind_of_their_datasets():
    comparison = base_to_new(("demo_aerial", "dtd"), seeds=(1,)).compare()
    assert sorted(comparison.families["title"]) == [
        "base to new, 16 shots, CLIP demo (demo datasets)",
        "base to new, 16 shots, CLIP demo (published datasets)",
    ]
