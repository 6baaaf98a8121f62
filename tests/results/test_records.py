from __future__ import annotations

import json
from functools import partial

import pytest
from pydantic import ValidationError

from results.made import Disk, right
from vlprompt_pipeline.results.groups import group_records, read_records
from vlprompt_pipeline.results.record_checks import group_remarks, mixed_remarks
from vlprompt_pipeline.results.records import CellRecord


def test_a_record_survives_json(two_seeds):
    record = CellRecord.model_validate(two_seeds["seed1"])
    assert CellRecord.model_validate_json(record.model_dump_json()) == record
    assert record.methods[1].base.accuracy == 80.0


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("cell", "colour"), "red", "Extra inputs"),
        (("methods", 0, "base", "correct"), 201, "201 correct predictions of only 200"),
        (("methods", 0, "base", "total"), 0, "greater than 0"),
        (("methods", 1, "method"), "zero_shot", "listed twice"),
        (("methods", 0, "inference_cost"), float("inf"), "finite number"),
        (("classes", "new"), [], "has a score on new classes, but there are none"),
        (("methods",), [], "at least 1"),
    ],
)
def test_contradictions_are_refused(two_seeds, path, value, complaint):
    record = two_seeds["seed1"]
    *parents, last = path
    inner = record
    for key in parents:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(ValidationError, match=complaint):
        CellRecord.model_validate(record)


def test_scores_that_came_later_may_be_missing(two_seeds):
    """Records of earlier versions have none of them."""
    older = two_seeds["seed1"]
    score = CellRecord.model_validate(older).methods[1].base
    assert score.metrics == {}
    coop = older["methods"][1]
    coop["base"] |= {"top5_accuracy": 97.5, "macro_f1": 79.0, "calibration_error": None}
    together = {"base": {"correct": 140, "total": 200}, "new": {"correct": 100, "total": 200}}
    newer = older | {"methods": [older["methods"][0], coop | {"generalised": together}]}
    record = CellRecord.model_validate(newer)
    assert record.methods[0].generalised is None
    assert record.methods[1].base.metrics == {"top5_accuracy": 97.5, "macro_f1": 79.0}
    assert record.methods[1].generalised.new.accuracy == 50
    assert CellRecord.model_validate_json(record.model_dump_json()) == record


def test_generalised_scores_go_with_scores_on_new_classes(two_seeds):
    record = two_seeds["seed1"]
    score = {"correct": 1, "total": 2}
    record["methods"][1] |= {"new": None, "generalised": {"base": score, "new": score}}
    with pytest.raises(ValidationError, match="generalised scores, but none on new classes"):
        CellRecord.model_validate(record)


def test_a_bad_record_is_named_and_the_rest_stands(two_seeds):
    good, other = two_seeds["seed1"], two_seeds["seed2"]
    contents = {
        "a_good.json": json.dumps(good),
        "b_cut.json": json.dumps(good)[:100],
        "c_foreign.json": '{"accuracy": 3}',
        "d_newer.json": json.dumps(other | {"schema_version": 2}),
        "deep/e_good.json": json.dumps(other),
        "deep/f_wrong.json": json.dumps(other | {"methods": [{"method": "coop"}]}),
        "deep/g_copy.json": json.dumps(good),
    }
    records, problems = read_records(
        {name: partial(json.loads, text) for name, text in contents.items()}
    )
    assert [record.cell.seed for record in records] == [1, 2]
    reasons = {problem.name: problem.reason for problem in problems}
    assert set(reasons) == set(contents) - {"a_good.json", "deep/e_good.json"}
    assert "cannot be read (JSONDecodeError" in reasons["b_cut.json"]
    assert "not a cell record" in reasons["c_foreign.json"]
    assert "schema_version 2, this version reads 1" in reasons["d_newer.json"]
    assert "methods.0.title: field required" in reasons["deep/f_wrong.json"]
    assert "repeats zero_shot in the cell of a_good.json" in reasons["deep/g_copy.json"]
    assert all("\n" not in str(problem) for problem in problems)


def test_a_partitioned_dataset_hands_out_functions(two_seeds):
    def broken():
        raise OSError("disk gone\nand more")

    records, problems = read_records({"x": lambda: two_seeds["seed1"], "y": broken})
    assert len(records) == 1
    assert [str(problem) for problem in problems] == [
        "y: cannot be read (OSError: disk gone); run the cell again"
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights_sha256", "d" * 64),
        ("split_sha256", "d" * 64),
        ("template_set", "other"),
        ("clip", "other"),
        ("dataset", "demo_objects"),
        ("shots", 8),
    ],
)
def test_what_differs_in_more_than_the_seed_is_never_mixed(make_record, field, value):
    methods = {"zero_shot": (100, 100)}
    records, _ = read_records(
        {"1": make_record(methods, seed=1), "2": make_record(methods, seed=2, **{field: value})}
    )
    assert sorted(group.seeds for group in group_records(records)) == [(1,), (2,)]


def test_one_split_with_and_without_its_mark_is_said_to_be_two(make_record):
    one, other = (make_record({"zero_shot": (100, 100)}, seed=seed) for seed in (1, 2))
    other["cell"]["random_split"] = "own random split, seed 1"
    records, _ = read_records({"1": one, "2": other})
    (remark,) = mixed_remarks(group_records(records))
    assert "was run with different splits: the results stand in 2 separate tables" in remark


def test_methods_of_one_seed_with_other_few_shot_images_are_told(make_record):
    methods = {"coop": (120, 110)}, {"zero_shot": (100, 100)}
    one, other, later = (
        make_record(which, seed=seed, few_shot_sha256=digest)
        for which, seed, digest in zip((*methods, methods[0]), (1, 1, 2), "abc", strict=True)
    )
    (group,) = group_records(read_records({"1": one, "2": other, "3": later})[0])
    told = "With seed 1 the methods were trained on different few-shot images."
    assert told in group_remarks(group)
    other["cell"]["few_shot_sha256"] = "a"
    (group,) = group_records(read_records({"1": one, "2": other, "3": later})[0])
    assert told not in group_remarks(group)


@pytest.mark.parametrize("half", ["base", "new"])
def test_what_makes_the_seeds_of_a_group_less_comparable_is_told(make_record, half):
    methods = {"zero_shot": (100, 100), "linear_probe": (120, None)}
    one, other = make_record(methods), make_record(methods, seed=2, code_version="0.2.0")
    other["methods"][0][half]["total"] += 1
    (group,) = group_records(read_records({"1": one, "2": other})[0])
    assert group_remarks(group) == [
        "Bound to the classes of training, so without accuracy on new ones: linear_probe.",
        "The number of test images differs between runs or methods.",
        "The seeds were run by different versions of the code: 0.1.0, 0.2.0.",
    ]


def test_what_has_no_score_on_targets_is_told_and_what_has_is_not():
    disk, cell = Disk(), {"protocol": "cross_dataset", "targets": {"demo_flags": right(0.5)}}
    disk.add("coop", {"base": right(0.8)}, **cell)
    disk.add("linear_probe", {"base": right(0.8)}, bound=True, **cell)
    (group,) = group_records(read_records(disk.records)[0])
    told = "Bound to the classes of training, so without accuracy on new ones: linear_probe."
    assert group_remarks(group) == [told]
    disk.add("linear_probe", {"base": right(0.8)})
    assert group_remarks(group_records(read_records(disk.records)[0])[1]) == []


def test_other_class_lists_are_another_group(make_record):
    one, other = (make_record({"zero_shot": (100, 100)}, seed=seed) for seed in (1, 2))
    other["classes"]["new"] = ["four green stars"]
    records, _ = read_records({"1": one, "2": other})
    assert len(group_records(records)) == 2


def test_seeds_are_in_order_whatever_the_names(two_seeds):
    records, _ = read_records({"a": two_seeds["seed2"], "b": two_seeds["seed1"]})
    (group,) = group_records(records)
    assert group.seeds == (1, 2)
