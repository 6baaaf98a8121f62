"""The verdicts of paired tests in words, the same words wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vlprompt_pipeline.results.caveats import one_seed
from vlprompt_pipeline.results.metric_names import in_sentence
from vlprompt_pipeline.results.results import AVERAGE, Comparison
from vlprompt_pipeline.wording import counted, probability, signed

_TURNED = {"better": "worse", "worse": "better"}


def verdict_text(test: Mapping[str, object]) -> str:
    """For instance "no difference shown, p = 0.078 (6 tests)".

    Args:
        test: a row of `Comparison.pairs`. p is corrected for all tests that the row counts, and a
            test over one seed says so.
    """
    about = ", ".join((counted(test["tests"], "test"), *one_seed(test["seeds"])))
    return f"{test['verdict']}, {probability(test['p_holm'])} ({about})"


def verdict_sentence(test: Mapping[str, object], title: str, reference: str) -> str:
    """What a test finds, with its interval, as a sentence.

    Args:
        test: a row of `Comparison.pairs`.
        title: of the method.
        reference: title of the method it is compared with.
    """
    where = "on average" if test["dataset"] == AVERAGE else f"on {test['dataset']}"
    return (
        f"{title} against {reference} in {in_sentence(test['metric'])} {where}: "
        f"{verdict_text(test)}; {signed(test['difference'])} points, 95 % interval "
        f"{signed(test['low'])} to {signed(test['high'])}."
    )


def against(tests: pd.DataFrame, method: str) -> pd.DataFrame:
    """The tests with a method, each turned so that this one is the one compared with."""
    as_is = tests[tests["against"] == method]
    turned = tests[tests["method"] == method]
    turned = turned.assign(
        method=turned["against"],
        against=turned["method"],
        difference=-turned["difference"],
        low=-turned["high"],
        high=-turned["low"],
        verdict=turned["verdict"].replace(_TURNED),
    )
    return pd.concat([as_is, turned], ignore_index=True)


def test_on(
    comparison: Comparison, family: str, dataset: str, shots: int, method: str, reference: str
) -> dict[str, object] | None:
    """The test of a method in the metric that ranks its family; None if there was none."""
    metric = comparison.families.set_index("family").loc[family, "ranking"]
    tests = against(comparison.of(family, "pairs"), reference)
    asked = {"dataset": dataset, "shots": shots, "method": method, "metric": metric}
    for column, value in asked.items():
        tests = tests[tests[column] == value]
    rows = tests.to_dict("records")
    return rows[0] if rows else None
