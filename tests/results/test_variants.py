"""Seeds made with other settings, pictures or code are rows of their own."""

from __future__ import annotations

from typing import Any

import pytest

from results.made import SIZES, Disk, base_to_new, right
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.pipelines.rejection.nodes import require_made_alike
from vlprompt_pipeline.reports.payload import payload
from vlprompt_pipeline.results.cells import read_results
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.verdicts import verdicts_of

USUAL = {
    "settings": {"quantize.bits": 1, "training.lr": 0.002, "template": "a photo of a {}."},
    "images": "11111111aaaa",
    "clip": "22222222aaaa",
    "code": "33333333aaaa",
}


def record(seed: int, made_with: dict[str, Any] | None) -> dict[str, Any]:
    method = {"method": "qcoop", "title": "QCoOp, 1 bit", "base": {"correct": 9, "total": 10}}
    if made_with is not None:
        method["made_with"] = made_with
    cell = {"protocol": "few_shot", "dataset": "cats", "shots": 4, "seed": seed, "clip": "demo"}
    hashes = {"weights_sha256": "w", "split_sha256": "s", "few_shot_sha256": f"f{seed}"}
    return {
        "schema_version": 1,
        "cell": {**cell, **hashes, "template_set": "benchmark", "code_version": "1"},
        "classes": {"base": ["cat", "dog"]},
        "methods": [{**method, **SIZES}],
    }


def titles(*made_with: dict[str, Any] | None) -> dict[int, str]:
    """Title of the row that each seed belongs to; the first is seed 1."""
    rows = {str(seed): record(seed, made) for seed, made in enumerate(made_with, start=1)}
    records, problems = read_records(rows)
    assert problems == []
    results, _ = read_results(records, {})
    return {result.seed: result.title for result in results}


def changed(**fields: Any) -> dict[str, Any]:
    settings = {**USUAL["settings"], **fields.pop("settings", {})}
    return {**USUAL, "settings": settings, **fields}


def test_equal_ones_are_one_row():
    assert set(titles(USUAL, USUAL, changed()).values()) == {"QCoOp, 1 bit"}
    assert set(titles(None, None).values()) == {"QCoOp, 1 bit"}


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (changed(settings={"quantize.bits": 2}), "quantize.bits=2"),
        (changed(settings={"template": "no {}"}), "template=no {}"),
        (
            changed(settings={"template": "no {}", "training.lr": 0.2}),
            "template=no {}, training.lr=0.2",
        ),
        (
            changed(settings=dict.fromkeys("abcde", 1)),
            "a=1, b=1, c=1, 2 more settings",
        ),
        (changed(images="44444444bbbb"), "images 44444444"),
        (changed(clip="44444444bbbb"), "CLIP 44444444"),
        (changed(code="44444444bbbb"), "code 44444444"),
        (changed(code=""), "code unknown"),
        (None, "code unknown"),
    ],
)
def test_what_differs_is_a_row_of_its_own_named_by_it(other, named):
    assert titles(USUAL, USUAL, other) == {
        1: "QCoOp, 1 bit",
        2: "QCoOp, 1 bit",
        3: f"QCoOp, 1 bit ({named})",
    }


def test_most_seeds_keep_the_name_and_else_the_lowest():
    other = changed(settings={"quantize.bits": 2})
    assert titles(USUAL, other, other)[1] == "QCoOp, 1 bit (quantize.bits=1)"
    assert titles(other, USUAL)[2] == "QCoOp, 1 bit (quantize.bits=1)"
    assert titles(None, None, USUAL)[3] == "QCoOp, 1 bit (code 33333333)"


@pytest.mark.parametrize(
    ("usual", "one", "other"),
    [
        (
            USUAL,
            changed(settings=dict.fromkeys("abcd", 1)),
            changed(settings=dict.fromkeys("abce", 1)),
        ),
        (USUAL, None, changed(code="")),
        (None, USUAL, changed(settings={"quantize.bits": 2})),
    ],
    ids=[
        "a setting that is not named",
        "code that is not known",
        "settings that were not recorded",
    ],
)
def test_two_that_are_named_alike_are_two_rows(usual, one, other):
    named = titles(usual, usual, usual, one, other, one)
    assert named[4] == named[6] != named[5]
    assert named[1] == named[2] == named[3] == "QCoOp, 1 bit"


def made_on(disk: Disk, dataset: str, **settings: Any) -> None:
    """Tell what CoOp on a dataset was made with."""
    for place, entry in disk.records.items():
        if place.endswith("coop") and dataset in place:
            entry["methods"][0]["made_with"] = changed(settings=settings)


def test_an_average_over_datasets_with_other_settings_is_said_to_be_one():
    disk = base_to_new(("demo_aerial", "demo_flags"), seeds=(1, 2))
    made_on(disk, "demo_aerial", template="a photo of a {}.", epochs=50)
    made_on(disk, "demo_flags", template="a photo of a {}, a flag.", epochs=50)
    assert disk.compare().remarks == ()
    made_on(disk, "demo_flags", template="a photo of a {}, a flag.", epochs=5)
    assert disk.compare().remarks == (
        "CoOp was not run alike on all datasets of base to new, 16 shots, CLIP demo (epochs): an "
        "average mixes these.",
    )
    for entry in disk.records.values():
        entry["methods"][0]["tuned_per_dataset"] = True
    assert disk.compare().remarks == ()


def test_a_row_has_all_titles_of_what_it_is_of():
    disk = base_to_new(("demo_aerial", "demo_flags"), methods=("zero_shot", "qcoop"), seeds=(1,))
    halves = {"base": right(0.6), "new": right(0.5)}
    place = disk.add("qcoop", halves, dataset="demo_flags")
    disk.records[place]["methods"][0]["title"] = "QCoOp, 2 bits"
    other = disk.add("qcoop", halves, dataset="demo_flags", shots=4)
    disk.records[other]["methods"][0]["title"] = "QCoOp, 4 bits"
    disk.add("zero_shot", halves, dataset="demo_flags", shots=4)
    made = disk.compare()
    for table in (made.scores, made.sizes):
        assert set(table.loc[table["method"] == "qcoop", "title"]) == {
            "QCoOp, 1 bit / QCoOp, 2 bits",
            "QCoOp, 4 bits",
        }
    record = CellRecord.model_validate(disk.records[other])
    assert verdicts_of(made, record)["qcoop"].startswith("QCoOp, 4 bits against Zero-shot CLIP")
    place = disk.add("qcoop", halves, dataset="demo_aerial", shots=4)
    disk.records[place]["methods"][0]["title"] = "QCoOp, 2 bits"
    page = payload(disk.compare())
    assert page["methods"]["qcoop"]["title"] == "QCoOp, 2 bits / QCoOp, 4 bits / QCoOp, 1 bit"
    assert [family["method_titles"]["qcoop"] for family in page["families"]] == [
        "QCoOp, 2 bits / QCoOp, 4 bits",
        "QCoOp, 1 bit / QCoOp, 2 bits",
    ]


def test_rejection_is_not_averaged_over_them():
    rows = {str(seed): record(seed, made) for seed, made in ((1, USUAL), (2, USUAL))}
    rows["3"] = record(3, changed(settings={"quantize.bits": 2}))
    records, _ = read_records(rows)
    folder = "demo/cats/few_shot/shots4"
    require_made_alike(records, {f"{folder}/seed{seed}/qcoop" for seed in (1, 2)})
    with pytest.raises(DataError, match=r"seed 3 of qcoop on cats was made .* \(quantize.bits=2\)"):
        require_made_alike(records, {f"{folder}/seed{seed}/qcoop" for seed in (1, 2, 3)})


def test_rejection_is_not_averaged_over_other_splits_templates_or_weights():
    rows = {str(seed): record(seed, USUAL) for seed in (1, 2)}
    rows["2"]["cell"] |= {"weights_sha256": "v", "template_set": "custom"}
    records, _ = read_records(rows)
    places = {f"demo/cats/few_shot/shots4/seed{seed}/qcoop" for seed in (1, 2)}
    told = "seeds of qcoop were run with different template sets and CLIP weights, so they have no"
    with pytest.raises(DataError, match=told):
        require_made_alike(records, places)
