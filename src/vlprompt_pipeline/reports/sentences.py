"""What a comparison says in sentences that are true whatever the numbers are.

A mean is called the highest, never better: "better" is the verdict of a paired test.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.metric_names import in_sentence
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.results.verdicts import against, verdict_sentence
from vlprompt_pipeline.wording import counted, join, plus_minus, shots_text


def opening(comparison: Comparison) -> str:
    """Return how many cells are finished and how many of those asked for are missing."""
    scores, families = comparison.scores, comparison.families
    cells = sum(
        count_cells(comparison.of(family), source)
        for family, source in zip(families["family"], families["source"], strict=True)
    )
    datasets = scores.loc[scores["dataset"] != AVERAGE, "dataset"].nunique()
    return (
        f"{counted(cells, 'finished cell')} of {counted(scores['method'].nunique(), 'method')} on "
        f"{counted(datasets, 'dataset')}, in {counted(len(families), 'table')}; "
        f"{_missing(len(comparison.missing))}."
    )


def of_family(comparison: Comparison, family: str) -> list[str]:
    """Name the highest mean, what paired tests say of it, and how near published ones are."""
    return _about(comparison, family, comparison.of(family), comparison.of(family, "pairs"))


def of_cell(comparison: Comparison, family: str, dataset: str, shots: int) -> list[str]:
    """Say the same of one dataset with one number of shots alone."""
    scores, tests = (
        rows[(rows["dataset"] == dataset) & (rows["shots"] == shots)]
        for rows in (comparison.of(family), comparison.of(family, "pairs"))
    )
    return _about(comparison, family, scores, tests)


def _about(
    comparison: Comparison, family: str, scores: pd.DataFrame, tests: pd.DataFrame
) -> list[str]:
    about = comparison.families.set_index("family").loc[family]
    metric = about["ranking"]
    ranked = scores[scores["metric"] == metric]
    if ranked.empty:
        return [f"No method has a figure for {in_sentence(metric)}."]
    shots = ranked["shots"].max()
    ranked = ranked[ranked["shots"] == shots]
    tests = tests[(tests["metric"] == metric) & (tests["shots"] == shots)]
    return [
        _highest(ranked, f" with {shots_text(shots)}" if about["shots"] == 0 else ""),
        *_tested(tests, ranked, scores),
        *_new_classes(scores, shots),
        *_published(scores),
    ]


def count_cells(scores: pd.DataFrame, source: str) -> int:
    """Count (dataset, shots, seed, method) that were run; a source scores all targets."""
    single = scores[scores["dataset"] != AVERAGE]
    return len(
        {
            (source or row.dataset, row.shots, row.method, seed)
            for row in single.itertuples()
            for seed in row.seeds
        }
    )


def _standing(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that stand for whole methods: their averages, or the only dataset's."""
    if ranked["dataset"].nunique() == 1:
        return ranked
    return ranked[ranked["dataset"] == AVERAGE]


def _leader(rows: pd.DataFrame) -> pd.Series:
    return rows.sort_values("mean", kind="stable").iloc[-1]


def _highest(ranked: pd.DataFrame, where: str) -> str:
    rows, name = _standing(ranked), in_sentence(ranked["metric"].iloc[0])
    if rows.empty:
        datasets = counted(ranked["dataset"].nunique(), "dataset")
        return f"No method has all of the {datasets}, so none has an average."
    leader, dataset = _leader(rows), rows["dataset"].iloc[0]
    where_scored = "on average" if dataset == AVERAGE else f"on {dataset}"
    figure = plus_minus(leader["mean"], leader["std"], leader["n_seeds"])
    tell = f"Highest {name} {where_scored}{where}: {leader['title']}, {figure} %"
    if leader["caveats"]:
        tell += f" ({join(leader['caveats'])})"
    if leader["flags"]:
        tell += f" (flagged: {join(leader['flags'])})"
    others = rows[rows["method"] != leader["method"]]
    level = np.isclose(others["mean"], leader["mean"], rtol=0)
    if level.any():
        tell += f"; {join(others['title'][level])} {'has' if level.sum() == 1 else 'have'} as much"
    zero_shot = others[(others["method"] == ZERO_SHOT) & ~level]
    if len(zero_shot):
        tell += f"; {zero_shot['title'].iloc[0]} has {zero_shot['mean'].iloc[0]:.1f} %"
    return f"{tell}."


def _new_classes(scores: pd.DataFrame, shots: int) -> list[str]:
    """Return how far apart the learned methods are on new classes."""
    new = _standing(scores[(scores["metric"] == "new") & (scores["shots"] == shots)])
    learned = new[new["method"] != ZERO_SHOT]
    if learned["mean"].nunique() < 2:
        return []
    low, high = learned.loc[learned["mean"].idxmin()], learned.loc[learned["mean"].idxmax()]
    sentence = (
        f"On new classes the learned methods reach from {low['mean']:.1f} % with {low['title']} to "
        f"{high['mean']:.1f} % with {high['title']}"
    )
    zero_shot = new[new["method"] == ZERO_SHOT]
    if len(zero_shot):
        sentence += f"; {zero_shot['title'].iloc[0]} has {zero_shot['mean'].iloc[0]:.1f} %"
    return [f"{sentence}."]


def _tested(tests: pd.DataFrame, ranked: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Return the verdict on the highest mean, and counts of the verdicts on single datasets."""
    tests = against(tests, ZERO_SHOT)
    if tests.empty:
        return ["No paired test against zero-shot was made, so no method is called better than it."]
    reference = scores.loc[scores["method"] == ZERO_SHOT, "title"].iloc[0]
    sentences = []
    whole = _standing(ranked)
    if len(whole):
        leader = _leader(whole)
        of_leader = (tests["method"] == leader["method"]) & (tests["dataset"] == leader["dataset"])
        sentences += [
            verdict_sentence(test, leader["title"], reference)
            for test in tests[of_leader].to_dict("records")
        ]
    verdicts = tests.loc[tests["dataset"] != AVERAGE, "verdict"]
    if len(verdicts) > 1:
        better, worse = ((verdicts == verdict).sum() for verdict in ("better", "worse"))
        sentences.append(
            f"Paired tests against {reference} on single datasets: {better} better, {worse} worse, "
            f"{len(verdicts) - better - worse} with no difference shown "
            f"(corrected for {counted(tests['tests'].iloc[0], 'test')})."
        )
    return sentences


def _published(scores: pd.DataFrame) -> list[str]:
    inside = scores.loc[scores["inside"] != "", "inside"].value_counts()
    if inside.empty:
        return []
    return [
        f"{counted(int(inside.sum()), 'figure')} of ours beside a published one: "
        f"{inside.get('yes', 0)} inside the variation stated there, {inside.get('no', 0)} outside, "
        f"{inside.get('not stated', 0)} where none is stated."
    ]


def _missing(cells: int) -> str:
    if cells < 2:
        return (
            "one that was asked for is missing" if cells else "none that was asked for is missing"
        )
    return f"{cells:,} that were asked for are missing"
