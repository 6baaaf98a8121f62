"""What is called the same, and what is told where it is not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch

from reproducibility.runs import prompt, record
from vlprompt_pipeline.reproducibility.comparison import (
    MethodComparison,
    Outputs,
    Verification,
    compare_method,
)
from vlprompt_pipeline.reproducibility.differences import differences
from vlprompt_pipeline.reproducibility.environment import environment

CONTEXT = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.25, float("nan")]])
PARAMETERS = {"shots": 4, "features": {"views": 2}}


def predictions(*answers: int) -> pd.DataFrame:
    paths = [f"{number}.png" for number in range(len(answers))]
    return pd.DataFrame({"half": "base", "path": paths, "prediction": answers})


STORED = Outputs(
    prompt(CONTEXT),
    b"packed",
    {"demo": predictions(0, 1, 1, 0), "other": pd.DataFrame()},
    {"demo": {"base": {"accuracy": 75.0, "correct": 3}}, "other": {}},
)


def compare(parameters: dict = PARAMETERS, **changed: object) -> MethodComparison:
    again = replace(STORED, prompt=prompt(CONTEXT.clone()), **changed)
    return compare_method(record(1, prompt="a"), STORED, again, parameters, environment())


def verify(*compared: MethodComparison) -> Verification:
    cell = {"dataset": "demo", "protocol": "few_shot", "shots": 4, "seed": 1, "clip": "tiny"}
    return Verification(cell=cell, methods=compared, environment=environment())


def test_the_same_is_the_same_with_a_nan_in_a_tensor():
    compared = compare()
    assert compared.same
    assert compared.tensors.identical
    assert compared.answers["demo"].equal == compared.answers["demo"].images == 4
    assert set(compared.answers) == {"demo"}, "a method without answers on a target"
    assert compared.differences == {}
    told = verify(compared).text()
    assert "coop  same: tensors and packed prompt bit for bit, 4 answers, all metrics" in told
    assert told.endswith("The cell was made again, bit for bit.")


@pytest.mark.parametrize(
    ("context", "most", "told"),
    [
        (torch.tensor([[0.5, -1.0, 2.0], [-0.0, 0.25, 1.0]]), 0.0, "tensors differ by up to 0.0e+"),
        (torch.tensor([[0.5, -1.5, 2.0], [0.0, 0.25, 1.0]]), 0.5, "tensors differ by up to 5.0e-"),
        (torch.zeros(2, 4), None, "other tensors;"),
    ],
    ids=["another zero", "another value", "another shape"],
)
def test_tensors_are_the_same_only_bit_for_bit(context, most, told):
    plain = CONTEXT.nan_to_num(1.0)
    then, now = replace(STORED, prompt=prompt(plain)), replace(STORED, prompt=prompt(context))
    compared = compare_method(record(1, prompt="a"), then, now, PARAMETERS, environment())
    assert not compared.same
    assert not compared.tensors.identical
    assert compared.tensors.max_difference == most
    assert compared.told().startswith(told)


def test_answers_and_metrics_that_differ_are_counted_and_named():
    again = {"demo": predictions(0, 1, 0, 0), "other": pd.DataFrame()}
    metrics = {"demo": {"base": {"accuracy": 50.0, "correct": 2}}, "other": {}}
    compared = compare(predictions=again, metrics=metrics)
    assert not compared.same
    assert compared.answers["demo"].model_dump() == {
        "images": 4,
        "equal": 3,
        "different": ("2.png",),
    }
    assert compared.metrics["demo.base.accuracy"] == (75.0, 50.0)
    assert compared.told() == (
        "packed prompt equal; 3 of 4 answers equal; demo.base.accuracy: 75 then, 50 now; "
        "other metrics: 1 differ"
    )
    assert "not made again with the same answers.\n" in verify(compared).text()


def test_an_image_that_is_missing_is_a_different_answer():
    again = {"demo": predictions(0, 1, 1), "other": pd.DataFrame()}
    answers = compare(predictions=again).answers["demo"]
    assert (answers.images, answers.equal) == (4, 3)


def test_packed_bytes_and_the_images_of_training_count():
    assert not compare(packed=b"other").same
    again = prompt(CONTEXT)
    again.provenance["few_shot_sha256"] = "others"
    now = replace(STORED, prompt=again)
    compared = compare_method(record(1, prompt="a"), STORED, now, PARAMETERS, environment())
    assert compared.made_from == {
        "weights": True,
        "split": True,
        "few_shot": False,
        "recipe": True,
        "clip": True,
    }
    assert compared.told().startswith("few_shot is another")


def test_what_differs_between_the_runs_is_told_only_where_it_may_matter():
    changed = {"shots": 4, "features": {"views": 3}}
    same = verify(compare(changed))
    assert same.methods[0].differences == {"parameters.features.views": (2, 3)}
    assert "views" not in same.text()
    other = verify(compare(changed, packed=b"other"))
    assert "  parameters.features.views: 2 then, 3 now" in other.text().splitlines()
    told = verify(compare(packed=b"other")).text()
    assert "not made again bit for bit, but every answer is the same.\n" in told
    assert told.endswith("something is not deterministic")


def test_differences_of_nested_values():
    one = {"a": {"b": (1, 2), "c": float("nan"), "gone": 1}, "d": {}}
    other = {"a": {"b": [1, 2], "c": float("nan")}, "d": {}, "new": None}
    assert differences(one, other) == {"a.gone": (1, "absent"), "new": ("absent", None)}
