"""Which labels of a packaged model are others than those of the evaluation."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pandas as pd
import pytest

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.check import ROUNDING, Evaluated, differs, require_same_answers


@pytest.mark.parametrize(
    ("labels", "scores", "rounding", "expected"),
    [
        (["cat", "dog"], [0.9, 0.1], 0.0, False),
        (["dog", "cat"], [0.500001, 0.499999], 0.0, True),
        (["dog", "cat"], [0.55, 0.45], ROUNDING["bf16"], False),  # ln(0.55 / 0.45) = 0.20
        (["dog", "cat"], [0.65, 0.35], ROUNDING["bf16"], True),  # ln(0.65 / 0.35) = 0.62
        (["dog", "bird"], [0.5, 0.4], ROUNDING["bf16"], True),
        (["dog", "cat"], [1.0, 0.0], ROUNDING["bf16"], True),
        (["dog"], [1.0], ROUNDING["bf16"], True),
    ],
)
def test_only_rounding_excuses_another_label(labels, scores, rounding, expected):
    assert differs(labels, scores, "cat", rounding) is expected


@pytest.mark.parametrize(
    ("precision", "outcome"),
    [
        ("bf16", nullcontext()),
        ("fp32", pytest.raises(UserError, match="labels 1 of 1 base test images otherwise")),
    ],
)
def test_the_precision_of_the_evaluation_counts_where_the_package_has_another(
    precision, outcome, tmp_path, monkeypatch
):
    answer = pd.DataFrame({"top_labels": [["dog", "cat"]], "top_scores": [[0.55, 0.45]]})
    package = SimpleNamespace(predict=lambda images, params: answer)
    monkeypatch.setattr("mlflow.pyfunc.load_model", lambda *args, **kwargs: package)
    (tmp_path / "1.png").touch()
    predictions = pd.DataFrame({"half": ["base"], "path": ["1.png"], "prediction": [0]})
    evaluated = Evaluated(predictions, {"base": ["cat", "dog"]}, tmp_path, precision)
    with outcome:
        assert require_same_answers(tmp_path, "cpu", evaluated, 1) == 1
