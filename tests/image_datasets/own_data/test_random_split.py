from __future__ import annotations

from itertools import chain

import pytest

from vlprompt_pipeline.image_datasets import RandomSplit

PATHS = [f"cat/{serial:03}.jpg" for serial in range(10)]


def sizes(split: RandomSplit, number: int) -> tuple[int, ...]:
    return tuple(len(paths) for paths in split.divide(PATHS[:number], "cat", {}).values())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (5, (2, 1, 2)),
        (10, (5, 2, 3)),
    ],
)
def test_every_class_can_be_trained_and_tested_as_far_as_it_goes(number, expected):
    assert sizes(RandomSplit(), number) == expected


def test_all_validation_leaves_one_to_train_and_one_to_test():
    assert sizes(RandomSplit(train=0.01, val=0.98, test=0.01), 4) == (1, 2, 1)


def test_each_image_is_in_one_part_and_parts_are_in_order():
    parts = RandomSplit(seed=3).divide(PATHS, "cat", {})
    assert list(parts) == ["train", "val", "test"]
    assert sorted(chain.from_iterable(parts.values())) == PATHS
    assert all(paths == sorted(paths) for paths in parts.values())


def test_the_same_whatever_order_the_disk_lists():
    assert RandomSplit().divide(PATHS[::-1], "cat", {}) == RandomSplit().divide(PATHS, "cat", {})


def test_another_seed_and_another_class_draw_otherwise():
    first = RandomSplit().divide(PATHS, "cat", {})
    assert RandomSplit(seed=2).divide(PATHS, "cat", {}) != first
    assert RandomSplit().divide(PATHS, "dog", {}) != first


def test_the_draw_is_this_one_for_ever():
    """Written down when it was first drawn: a change would silently change everybody's split."""
    parts = RandomSplit().divide(PATHS, "cat", {})
    assert [path[4:7] for path in parts["test"]] == ["002", "007", "009"]
    assert [path[4:7] for path in parts["val"]] == ["006", "008"]


def test_copies_are_dealt_out_as_one_where_the_first_of_them_would_go():
    copies = {f"{path}.copy": path for path in PATHS}
    contents = {path: path for path in PATHS} | copies
    alone = RandomSplit().divide(PATHS, "cat", {})
    parts = RandomSplit().divide([*copies, *PATHS], "cat", contents)
    assert parts == {
        part: sorted([*paths, *(f"{path}.copy" for path in paths)]) for part, paths in alone.items()
    }


def test_a_class_of_copies_alone_is_for_training():
    parts = RandomSplit().divide(PATHS, "cat", dict.fromkeys(PATHS, "the same"))
    assert parts == {"train": PATHS, "val": [], "test": []}


def test_new_images_train_a_class_before_they_validate_it():
    parts = RandomSplit().extend({"test": PATHS[:3]}, PATHS[3:4], "cat", {})
    assert parts == {"train": PATHS[3:4], "val": [], "test": PATHS[:3]}


def test_its_mark():
    assert RandomSplit(seed=7).mark == "own random split, seed 7"
