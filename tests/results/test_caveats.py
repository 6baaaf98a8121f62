"""Caveats stand with the figures they are about."""

from __future__ import annotations

import pytest

from results.made import CLASSES, Disk, base_to_new, right, score_row
from vlprompt_pipeline.results.caveats import near_chance, of_images
from vlprompt_pipeline.results.cells import ImageSet


def caveats(disk: Disk, **key) -> tuple[str, ...]:
    return score_row(disk.compare(), **key)["caveats"]


def test_several_seeds_and_many_images_need_none():
    assert caveats(base_to_new(), method="coop", metric="h") == ()


def test_a_single_seed_is_said_of_every_figure_and_average():
    disk = base_to_new(("demo_aerial", "demo_flags"), seeds=(2,))
    assert caveats(disk, dataset="demo_flags", method="coop", metric="new") == ("only seed 2",)
    assert caveats(disk, dataset="average", method="coop", metric="h") == ("only seed 2",)


@pytest.mark.parametrize(
    ("images", "classes", "expected"),
    [
        (20, 3, ()),
        (19, 3, ("19 new test images",)),
        (20, 2, ("2 new classes",)),
        (1, 1, ("1 new class", "1 new test image")),
    ],
)
def test_small_halves_say_so_with_their_own_figures_and_with_h(images, classes, expected):
    disk = Disk()
    for seed in (1, 2):
        halves = {"base": right(0.8, 40), "new": right(1.0, images)}
        place = disk.add("coop", halves, seed=seed)
        disk.records[place]["classes"]["new"] = [f"star {number}" for number in range(classes)]
    for metric in ("new", "h", "mean_of_h"):
        assert caveats(disk, metric=metric) == expected
    assert caveats(disk, metric="base") == ()


def test_images_among_all_classes_are_told_apart_among_as_many():
    """One base and one new class: together they are two, and neither of them is a base class."""
    for half in ("generalised_base", "generalised_new"):
        assert of_images(ImageSet("demo_flags", half, 2), 100, ()) == ("2 classes",)


def test_seeds_whose_entropy_coded_indices_take_other_bytes_are_made_alike():
    disk = Disk()
    for seed, size in ((1, 282), (2, 284), (3, 286)):
        place = disk.add("qcoop", {"base": right(0.8)}, seed=seed)
        disk.records[place]["methods"][0]["payload_bytes"] = size
    assert disk.compare(against=()).remarks == ()


def test_zero_shot_near_chance_is_said_of_all_methods_on_these_images():
    disk = Disk()
    for seed in (1, 2):
        for method, share in (("zero_shot", 0.12), ("coop", 0.9)):
            disk.add(method, {"base": right(share), "new": right(0.8)}, seed=seed)
    assert CLASSES == 10
    assert caveats(disk, method="coop", metric="base") == ("near chance",)
    assert caveats(disk, method="coop", metric="new") == ()


def test_near_chance_is_a_twentieth_of_the_way_to_all():
    assert near_chance(54.9, 4) is False
    assert near_chance(28.7, 4) and not near_chance(28.8, 4)
    assert not near_chance(100, 1), "one class is no task at all"


def test_a_test_over_fewer_seeds_than_the_score_names_them():
    disk = base_to_new(("demo_aerial", "demo_flags"), ("zero_shot", "coop"), seeds=(1, 2))
    for seed in (1, 3):
        disk.add("rlp", {"base": right(0.6), "new": right(0.7)}, seed=seed)
    disk.add("coop", {"base": right(0.6), "new": right(0.7)}, seed=3)
    tested = {
        (dataset, method): caveats(disk, dataset=dataset, method=method, metric="h")
        for dataset in ("demo_aerial", "demo_flags")
        for method in ("zero_shot", "coop")
    }
    assert tested.pop(("demo_aerial", "coop")) == ("tested on seeds 1, 2",)
    assert set(tested.values()) == {()}
    assert caveats(disk, method="rlp", metric="h") == ("tested on seed 1",)
    assert caveats(disk, dataset="average", method="coop", metric="h") == ("tested on seeds 1, 2",)
