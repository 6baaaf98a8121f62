"""Boundaries and test sizes of the base-to-new protocol as published for each dataset."""

from __future__ import annotations

import pytest

from image_datasets.miniatures import DATA
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import Split, get_image_dataset, read_split, split_classes
from vlprompt_pipeline.image_datasets.schema import class_names_of

# split file: base classes, new classes, base test, new test, last base class, first new class
PUBLISHED = {
    "OxfordPets": (19, 18, 1881, 1788, "keeshond", "leonberger"),
    "StanfordCars": (98, 98, 4002, 4039, "1998 Eagle Talon Hatchback", "2012 FIAT 500 Abarth"),
    "OxfordFlowers": (51, 51, 1053, 1410, "petunia", "wild pansy"),
    "DescribableTextures": (24, 23, 864, 828, "marbled", "matted"),
    "EuroSAT": (5, 5, 4200, 3900, "Industrial Buildings", "Pasture Land"),
    "UCF101": (51, 50, 1934, 1849, "Long Jump", "Lunges"),
}


def facts(split: Split) -> tuple[int, int, int, int, str, str]:
    halves = split_classes(class_names_of(split.table))
    test = split.table[split.table["part"] == "test"]
    return (
        len(halves.base.labels),
        len(halves.new.labels),
        len(halves.base.restrict(test)),
        len(halves.new.restrict(test)),
        halves.base.class_names[-1],
        halves.new.class_names[0],
    )


def test_caltech101(caltech101_split):
    assert facts(caltech101_split) == (50, 50, 1549, 916, "helicopter", "ibis")


@pytest.mark.parametrize("name", PUBLISHED)
def test_other_datasets(shared, name):
    split = read_split(shared / "reference" / "splits" / f"split_zhou_{name}.json")
    assert facts(split) == PUBLISHED[name]


# Datasets without a split file at hand, by their class names in label order.
NAMED = {
    "food101": (51, 50, "grilled_salmon", "guacamole"),
    "fgvc_aircraft": (50, 50, "Cessna 525", "Cessna 560"),
    "sun397": (199, 198, "indoor ice_skating_rink", "outdoor ice_skating_rink"),
    "imagenet": (500, 500, "n03041632 cleaver", "n03042490 cliff dwelling"),
}


@pytest.mark.parametrize("name", NAMED)
def test_datasets_by_their_class_names(name):
    names = (DATA / "class_names" / f"{name}.txt").read_text().splitlines()
    assert len(names) == get_image_dataset(name).classes
    halves = split_classes(names)
    base, new = halves.base.class_names, halves.new.class_names
    assert (len(base), len(new), base[-1], new[0]) == NAMED[name]


def test_halves_are_numbered_from_zero(caltech101_split):
    table = caltech101_split.table
    halves = split_classes(class_names_of(table))
    for half, shift in ((halves.base, 0), (halves.new, 50)):
        part = half.restrict(table)
        assert sorted(part["label"].unique()) == list(range(50))
        assert part["label"].dtype == "int64"
        names = {half.class_names[label] for label in part["label"]}
        assert names == set(part["class_name"]) == set(half.class_names)
        first = part.iloc[0]
        whole = table.set_index("path").loc[first["path"]]
        assert whole["label"] == first["label"] + shift
    assert len(halves.base.restrict(table)) + len(halves.new.restrict(table)) == len(table)


def test_restricting_keeps_the_order(caltech101_split):
    table = caltech101_split.table
    new = split_classes(class_names_of(table)).new.restrict(table)
    assert list(new["path"]) == [
        path for path, label in zip(table["path"], table["label"], strict=True) if label >= 50
    ]
    assert list(new.index) == list(range(len(new)))


def test_odd_number_of_classes_gives_base_one_more():
    halves = split_classes(["a", "b", "c", "d", "e"])
    assert halves.base.class_names == ("a", "b", "c")
    assert halves.new.labels == (3, 4)
    assert halves.new.relabelling == {3: 0, 4: 1}


def test_classes_that_share_a_name_stay_apart():
    halves = split_classes(["missile", "emu", "missile"])
    assert halves.base.labels == (0, 1)
    assert halves.new.class_names == ("missile",)


def test_one_class():
    with pytest.raises(DataError, match="need at least 2 classes, found 1; choose another dataset"):
        split_classes(["emu"])


@pytest.mark.parametrize(
    ("classes", "share", "base"),
    [(37, 0.5, 19), (10, 0.5, 5), (100, 0.07, 7), (100, 0.29, 29), (10, 0.31, 4), (3, 0.01, 1)],
)
def test_another_share_is_rounded_up_as_the_decimal_number_it_is(classes, share, base):
    """100 x 0.07 is a little above 7 in binary numbers, and 7 here."""
    halves = split_classes([str(number) for number in range(classes)], share)
    assert halves.base.labels == tuple(range(base))
    assert halves.new.labels == tuple(range(base, classes))


def test_a_share_that_leaves_nothing_new_is_refused():
    with pytest.raises(DataError, match="base_share 0.95 of 4 classes leaves none as new ones"):
        split_classes(["a", "b", "c", "d"], 0.95)
