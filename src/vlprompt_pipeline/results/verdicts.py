"""The verdicts of paired tests in words, the same words wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vlprompt_pipeline.results.caveats import one_seed
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.groups import group_key
from vlprompt_pipeline.results.metric_names import in_sentence
from vlprompt_pipeline.results.records import ZERO_SHOT, CellRecord
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import counted, probability, signed

_TURNED = {"better": "worse", "worse": "better"}


def verdict_text(test: Mapping[str, object]) -> str:
    """Write, for instance, "no difference shown, p = 0.078 (6 tests)".

    Args:
        test: a row of `Comparison.pairs`. p is corrected for all tests that the row counts, and a
            test over one seed says so.
    """
    about = ", ".join((counted(test["tests"], "test"), *one_seed(test["seeds"])))
    return f"{test['verdict']}, {probability(test['p_holm'])} ({about})"


def verdict_sentence(test: Mapping[str, object], title: str, reference: str) -> str:
    """Return a test's verdict with its interval as a sentence.

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
    """Return the tests with a method, each turned so that this one is the one compared with."""
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


def verdicts_of(comparison: Comparison, record: CellRecord) -> dict[str, str]:
    """Return the verdict on each method against zero-shot, a sentence by method.

    Those in the table that the record stands in, in the metric that ranks its methods: on the
    record's dataset, or on average over its targets.
    """
    key = group_key(record)
    family = comparison.family_of(key)
    tests = against(comparison.of(family, "pairs"), ZERO_SHOT)
    tests = tests.merge(comparison.families[["family", "ranking"]], on="family")
    tests = tests[
        tests["dataset"].eq(AVERAGE if key.targets else key.data)
        & tests["shots"].eq(key.shots)
        & tests["metric"].eq(tests["ranking"])
    ]
    titles = comparison.of(family).set_index("method")["title"].to_dict()
    return {
        test["method"]: verdict_sentence(test, titles[test["method"]], titles[ZERO_SHOT])
        for test in tests.to_dict("records")
    }
