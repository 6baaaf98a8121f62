from __future__ import annotations

import pytest

from image_datasets.miniatures import write_miniature
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import build_index


@pytest.fixture
def aircraft(tmp_path):
    return write_miniature(tmp_path, "fgvc_aircraft")


def test_rows_stand_in_the_order_of_the_lists(aircraft, tmp_path):
    table = build_index(aircraft, tmp_path).table
    rows = aircraft.miniature.rows()
    assert table["path"].tolist() == [path for part in rows.values() for path, _, _ in part]


def test_labels_follow_the_list_of_variants(aircraft, tmp_path):
    file = tmp_path / "fgvc_aircraft" / "variants.txt"
    file.write_text("".join(sorted(file.read_text().splitlines(keepends=True), reverse=True)))
    index = build_index(aircraft, tmp_path)
    assert index.card.class_names == ("Model B200", "F-16A/B", "737-200", "707-320")


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("variants.txt", "707-320", "variants.txt has a variant twice"),
        (
            "images_variant_val.txt",
            "0000999 747",
            "line 21 of .*_val.txt has the variant '747', wh",
        ),
        ("images_variant_test.txt", "0000999", "line 13 of .*_test.txt is '0000999'; a line is an"),
        ("images_variant_train.txt", "../1 707-320", r"line 25 of .* has the path '\.\./1\.jpg'"),
    ],
)
def test_broken_lists(aircraft, tmp_path, file, line, message):
    with (tmp_path / "fgvc_aircraft" / file).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=message):
        build_index(aircraft, tmp_path)


def test_absent_lists_are_named_together(aircraft, tmp_path):
    for part in ("train", "val"):
        (tmp_path / "fgvc_aircraft" / f"images_variant_{part}.txt").unlink()
    with pytest.raises(
        DataError, match=r"has no images_variant_train\.txt and images_variant_val\.txt; expected"
    ):
        build_index(aircraft, tmp_path)
