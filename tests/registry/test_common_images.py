"""What a promotion compares after photos, labels or classes were added: what both saw."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
import pytest

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.common_images import Contender, common_images
from vlprompt_pipeline.registry.evidence import contest, evidence_of

Answers = dict[str, tuple[str, str]]
"""Image to its label and to the answer."""


def contender(name: str, answers: Answers, split: str, half: str = "base") -> Contender:
    """A version with these answers; an image is known by its name, whatever its path."""
    classes = sorted({each for pair in answers.values() for each in pair})
    rows = pd.DataFrame(
        [
            (half, f"{split}/{image}", classes.index(label), classes.index(answer))
            for image, (label, answer) in answers.items()
        ],
        columns=["half", "path", "label", "prediction"],
    )
    contents = {
        f"{split}/{image}": f"sha256:{image:>064}"[:7] + f"{image:>16}" for image in answers
    }
    table = pd.read_parquet(BytesIO(evidence_of(rows, {half: classes}, contents)))
    return Contender(name, {"dataset": "zoo", "protocol": "few_shot", "split_sha256": split}, table)


OLD: Answers = {
    "a": ("cat", "cat"),
    "b": ("cat", "dog"),
    "c": ("dog", "dog"),
    "d": ("dog", "cat"),
    "gone": ("dog", "dog"),
}


def test_the_same_images_are_told_in_few_words():
    seen = common_images(contender("new", OLD, "s"), contender("old", OLD, "s"))
    assert str(seen) == "on the same 5 test images"
    mine, yours = seen.right["base"]
    assert mine.tolist() == yours.tolist()
    assert mine.sum() == 3


def test_after_a_class_was_added_and_labels_corrected_what_both_saw_is_compared():
    new: Answers = {
        "a": ("cat", "cat"),
        "b": ("dog", "dog"),  # the label was wrong: the holder was right
        "c": ("dog", "cow"),  # the new class draws it away
        "d": ("dog", "dog"),
        "moved": ("cow", "cow"),
        "cow": ("cow", "cow"),
    }
    result = contest(contender("zoo.coop 2", new, "t"), contender("zoo.coop 1", OLD, "s"))
    mine, yours = result.seen.right["base"]
    pairs = sorted(zip(mine.tolist(), yours.tolist(), strict=True))
    assert pairs == [(False, True), (True, False), (True, True), (True, True)]
    assert result.scores == (75.0, 75.0)
    assert str(result).endswith(
        "on 4 test images that both saw (of 6 and 5; 1 with a corrected label; told apart among 3 "
        "classes and 2)"
    )


def test_an_image_of_a_class_that_the_holder_does_not_know_is_left_out():
    new = {**OLD, "d": ("cow", "cow")}
    seen = common_images(contender("new", new, "t"), contender("old", OLD, "s"))
    assert [len(side) for side in seen.right["base"]] == [4, 4]
    assert "1 of classes new to the other left out" in str(seen)


def test_copies_of_an_image_are_paired_one_by_one():
    twice = {"a": ("cat", "cat"), "b": ("dog", "cat")}
    one, other = contender("new", twice, "t"), contender("old", twice, "s")
    for side in (one, other):
        side.evidence["content"] = "the same"
    rows = common_images(one, other).right["base"]
    assert [len(side) for side in rows] == [2, 2]


def test_no_image_in_common_is_refused():
    with pytest.raises(UserError, match="no base test image of one is a test image of the other"):
        common_images(contender("new", {"x": ("cat", "cat")}, "t"), contender("old", OLD, "s"))
