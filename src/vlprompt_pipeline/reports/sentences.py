"""What a comparison says in sentences that are true whatever the numbers are.

A mean is called the highest, never better: "better" is the verdict of a paired test.
"""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.results.metric_names import in_sentence
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import AVERAGE, Comparison
from vlprompt_pipeline.wording import join, plus_minus, shots_text, signed

_TURNED = {"better": "worse", "worse": "better"}
_FOUND = {
    "better": "finds it better",
    "worse": "finds it worse",
    "no difference shown": "does not show a difference",
}


def opening(comparison: Comparison) -> str:
    """How much there is, and how much of what was asked for is not."""
    scores, families = comparison.scores, comparison.families
    missing = f"{_missing(len(comparison.missing))}."
    if scores.empty:
        return f"There is no finished cell to compare; {missing}"
    cells = sum(
        count_cells(comparison.of(family), source)
        for family, source in zip(families["family"], families["source"], strict=True)
    )
    datasets = scores.loc[scores["dataset"] != AVERAGE, "dataset"].nunique()
    return (
        f"{_count(cells, 'finished cell')} of {_count(scores['method'].nunique(), 'method')} on "
        f"{_count(datasets, 'dataset')}, in {_count(len(families), 'table')}; {missing}"
    )


def of_family(comparison: Comparison, family: str) -> list[str]:
    """The highest mean, what the paired tests say of it, and how near published figures are."""
    about = comparison.families.set_index("family").loc[family]
    scores, metric = comparison.of(family), about["ranking"]
    ranked = scores[(scores["metric"] == metric) & scores["mean"].notna()]
    if ranked.empty:
        return [f"No method has a figure for {in_sentence(metric)}."]
    shots = ranked["shots"].max()
    ranked = ranked[ranked["shots"] == shots]
    tests = comparison.of(family, "pairs")
    tests = tests[(tests["metric"] == metric) & (tests["shots"] == shots)]
    return [
        _highest(ranked, f" with {shots_text(shots)}" if about["shots"] == 0 else ""),
        *_tested(tests, ranked),
        *_published(scores),
    ]


def count_cells(scores: pd.DataFrame, source: str) -> int:
    """How many (dataset, shots, seed, method) were run; one with a source scores all targets."""
    own = scores[scores["dataset"] != AVERAGE]
    return len(
        {
            (source or row.dataset, row.shots, row.method, seed)
            for row in own.itertuples()
            for seed in row.seeds
        }
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


def _standing(ranked: pd.DataFrame) -> pd.DataFrame:
    """The rows that stand for whole methods: their averages, or the only dataset's."""
    if ranked["dataset"].nunique() == 1:
        return ranked
    return ranked[ranked["dataset"] == AVERAGE]


def _leader(rows: pd.DataFrame) -> pd.Series:
    return rows.sort_values("mean", kind="stable").iloc[-1]


def _highest(ranked: pd.DataFrame, where: str) -> str:
    rows, name = _standing(ranked), in_sentence(ranked["metric"].iloc[0])
    if rows.empty:
        datasets = _count(ranked["dataset"].nunique(), "dataset")
        return f"No method has all of the {datasets}, so none has an average."
    leader, dataset = _leader(rows), rows["dataset"].iloc[0]
    place = "on average" if dataset == AVERAGE else f"on {dataset}"
    figure = plus_minus(leader["mean"], leader["std"], leader["n_seeds"])
    tell = f"Highest {name} {place}{where}: {leader['title']}, {figure} %"
    if leader["flags"]:
        tell += f" (flagged: {join(leader['flags'])})"
    zero_shot = rows[rows["method"] == ZERO_SHOT]
    if len(zero_shot) and leader["method"] != ZERO_SHOT:
        tell += f"; {zero_shot['title'].iloc[0]} has {zero_shot['mean'].iloc[0]:.1f} %"
    return f"{tell}."


def _tested(tests: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    """What the paired tests against zero-shot say of the highest mean, and on each dataset."""
    tests = against(tests, ZERO_SHOT)
    if tests.empty:
        return ["No paired test against zero-shot was made, so no method is called better than it."]
    reference = ranked.loc[ranked["method"] == ZERO_SHOT, "title"].iloc[0]
    sentences = []
    whole = _standing(ranked)
    if len(whole):
        leader = _leader(whole)
        own = tests[(tests["method"] == leader["method"]) & (tests["dataset"] == leader["dataset"])]
        sentences += [
            f"The paired test of {leader['title']} against {reference} {_FOUND[row.verdict]}: "
            f"{signed(row.difference)} points, 95 % interval {signed(row.low)} to "
            f"{signed(row.high)}, {_probability(row.p_holm)} after Holm's correction."
            for row in own.itertuples()
        ]
    verdicts = tests.loc[tests["dataset"] != AVERAGE, "verdict"]
    if len(verdicts) > 1:
        better, worse, none = ((verdicts == verdict).sum() for verdict in _FOUND)
        sentences.append(
            f"{len(verdicts)} paired tests against {reference} on single datasets: "
            f"{better} better, {worse} worse, {none} without a difference shown."
        )
    return sentences


def _probability(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _published(scores: pd.DataFrame) -> list[str]:
    inside = scores.loc[scores["inside"] != "", "inside"].value_counts()
    if inside.empty:
        return []
    return [
        f"{_count(int(inside.sum()), 'figure')} of ours beside a published one: "
        f"{inside.get('yes', 0)} inside the variation stated there, {inside.get('no', 0)} outside, "
        f"{inside.get('not stated', 0)} where none is stated."
    ]


def _missing(cells: int) -> str:
    if cells < 2:
        return (
            "one that was asked for is missing" if cells else "none that was asked for is missing"
        )
    return f"{cells:,} that were asked for are missing"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
