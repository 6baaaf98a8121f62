"""Which labels of a packaged model are others than those of the evaluation."""

from __future__ import annotations

import pytest

from vlprompt_pipeline.registry.check import ROUNDING, differs


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
