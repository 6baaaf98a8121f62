"""The first sentences of a report, made from the figures and true whatever they are."""

from __future__ import annotations

import math

from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.wording import plus_minus, signed

_Row = dict[str, object]


def headline(summary: Summary) -> str:
    """One or two sentences: the highest H against zero-shot, and the range on new classes.

    A difference is called outside the spread if it exceeds the standard deviation of the difference
    of two runs, `sqrt(s1² + s2²)` of the two methods' std over seeds (our choice). It describes the
    seeds at hand and is no significance test.
    """
    zero_shot = summary.row(ZERO_SHOT)
    rows = summary.table.sort_values(summary.ranking.mean, ascending=False, kind="stable")
    ranked = rows[rows[summary.ranking.mean].notna()].to_dict("records")
    learned = [row for row in ranked if row["method"] != ZERO_SHOT]
    sentences = [f"On {summary.conditions}, {_highest(summary, learned, zero_shot)}."]
    if summary.has_new and len(learned) > 1:
        sentences.append(f"{_new_classes(learned, zero_shot)}.")
    return " ".join(sentences)


def _highest(summary: Summary, learned: list[_Row], zero_shot: _Row | None) -> str:
    name, mean, std = summary.ranking.name, summary.ranking.mean, summary.ranking.std
    if not learned:
        return f"{zero_shot['title']} alone was run: {name} {zero_shot[mean]:.1f} %"
    best = learned[0]
    figure = f"{plus_minus(best[mean], best[std], best['n_seeds'])} %"
    if zero_shot is None:
        return f"{best['title']} has the highest {name}, {figure}"
    difference = best[mean] - zero_shot[mean]
    against = (
        f"{signed(difference)} against {zero_shot['title']}, "
        f"{_spread(difference, best, zero_shot, std)}"
    )
    if difference > 0:
        return f"{best['title']} has the highest {name}, {figure}: {against}"
    return (
        f"no learned prompt is above {zero_shot['title']} in {name} ({zero_shot[mean]:.1f} %); "
        f"the highest is {best['title']}, {figure}: {against}"
    )


def _spread(difference: float, one: _Row, other: _Row, std: str) -> str:
    """How the difference compares with the spread over seeds."""
    if min(one["n_seeds"], other["n_seeds"]) < 2:
        return "from one seed, so the spread is unknown"
    spread = math.hypot(one[std], other[std])
    side = "outside" if abs(difference) > spread else "within"
    return f"{side} one standard deviation over seeds ({spread:.1f})"


def _new_classes(learned: list[_Row], zero_shot: _Row | None) -> str:
    lowest = min(learned, key=lambda row: row["new_mean"])
    highest = max(learned, key=lambda row: row["new_mean"])
    if lowest["new_mean"] == highest["new_mean"]:
        sentence = f"On new classes all learned prompts reach {lowest['new_mean']:.1f} %"
    else:
        sentence = (
            f"On new classes the learned prompts reach from {lowest['new_mean']:.1f} % "
            f"with {lowest['title']} to {highest['new_mean']:.1f} % with {highest['title']}"
        )
    if zero_shot is None:
        return sentence
    return f"{sentence}; {zero_shot['title']} has {zero_shot['new_mean']:.1f} %"
