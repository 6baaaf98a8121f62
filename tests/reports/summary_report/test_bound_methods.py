"""A method that tells apart the classes of training only: a base score, and nothing invented."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from vlprompt_pipeline.reports.summary_report.report import Report, write_report
from vlprompt_pipeline.reports.summary_report.summary import summarise
from vlprompt_pipeline.results.groups import group_records
from vlprompt_pipeline.results.records import CellRecord

BOUND = "Bound to the classes of training, so without accuracy on new ones: tip."


def records(make_record, *methods: dict) -> list[CellRecord]:
    """One record a seed."""
    made = [make_record(each, seed=seed) for seed, each in enumerate(methods, start=1)]
    return [CellRecord.model_validate(record) for record in made]


@pytest.fixture
def beside_others(make_record) -> list[CellRecord]:
    return records(
        make_record,
        {"tip": (180, None), "zero_shot": (100, 100), "coop": (160, 120)},
        {"tip": (190, None), "zero_shot": (100, 100), "coop": (150, 110)},
    )


def terminal(report: Report) -> str:
    text = io.StringIO()
    Console(file=text, width=100).print(report.terminal())
    return text.getvalue()


def test_it_has_a_base_score_and_stands_last(beside_others):
    (group,) = group_records(beside_others)
    table = summarise(group, by_score=True).table.set_index("method")
    assert list(table.index) == ["coop", "zero_shot", "tip"]
    assert table.loc["tip", "base_mean"] == 92.5
    for column in ("new_mean", "new_std", "h", "h_std", "h_mean_of_seeds", "delta_h", "delta_new"):
        assert pd.isna(table.loc["tip", column])


def test_everything_shown_has_a_dash_there(beside_others):
    report = write_report(beside_others, ())
    (line,) = [line for line in terminal(report).splitlines() if line.strip().startswith("tip")]
    assert line.split()[1:6] == ["92.5", "±", "2.5", "–", "–"]
    assert BOUND in terminal(report)
    assert "differs" not in terminal(report), "the number of its test images is no contradiction"
    assert ">nan" not in report.html
    assert BOUND in report.html
    assert "to 57.5 % with tip" not in report.html


def test_it_may_stand_alone(make_record):
    made = make_record({"tip": (180, None), "zero_shot": (100, 100)})
    made["methods"] = made["methods"][:1]
    report = write_report([CellRecord.model_validate(made)], ())
    assert list(report.sections[0].figures) == ["size"]
    assert "tip has the highest base accuracy, 90.0 %" in terminal(report)


def test_averages_leave_its_new_classes_out(make_record):
    methods = {"zero_shot": (100, 100), "tip": (180, None)}
    made = [make_record(methods, dataset=name) for name in ("demo_counts", "demo_flags")]
    report = write_report([CellRecord.model_validate(record) for record in made], ())
    assert "Average over 2 datasets" in report.html
    assert "nan<" not in report.html
