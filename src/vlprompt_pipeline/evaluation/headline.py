"""The first sentences of a report, made from the figures and true whatever they are."""

from __future__ import annotations

import math

from vlprompt_pipeline.evaluation.records import ZERO_SHOT
from vlprompt_pipeline.evaluation.summary import Summary
from vlprompt_pipeline.evaluation.wording import plus_minus, signed


def headline(summary: Summary) -> str:
    """Two or three sentences: highest H against zero-shot, and the range on new classes.

    A difference is called outside the spread if it exceeds the standard deviation of the difference
    of two runs, `sqrt(s1² + s2²)` of the two methods' std over seeds (our choice). It describes the
    seeds at hand and is no significance test.
    """
    learned = [row for row in _ranked(summary) if row["method"] != ZERO_SHOT]
    zero_shot = summary.row(ZERO_SHOT)
    sentences = [f"On {summary.conditions}, {_highest(summary, learned, zero_shot)}"]
    if summary.group.has_new and len(learned) > 1:
        sentences.append(_new_classes(learned, zero_shot))
    return " ".join(sentences)


def _ranked(summary: Summary) -> list[dict[str, object]]:
    return summary.table.sort_values(summary.ranking.mean, ascending=False, kind="stable").to_dict(
        "records"
    )


def _highest(
    summary: Summary, learned: list[dict[str, object]], zero_shot: dict[str, object] | None
) -> str:
    name, score, std, *_ = summary.ranking
    if not learned:
        return f"{zero_shot['title']} alone has {name} {zero_shot[score]:.1f} %."
    best = learned[0]
    figure = f"{plus_minus(best[score], best[std], best['n_seeds'])} %"
    if zero_shot is None:
        return f"{best['title']} has the highest {name}, {figure}."
    difference = best[score] - zero_shot[score]
    against = (
        f"{signed(difference)} against {zero_shot['title']} ({zero_shot[score]:.1f} %)"
        f"{_spread(difference, best, zero_shot, std)}"
    )
    if difference > 0:
        return f"{best['title']} has the highest {name}, {figure}: {against}."
    return (
        f"no learned prompt is above {zero_shot['title']} in {name}; "
        f"{best['title']} comes nearest with {figure}: {against}."
    )


def _spread(difference: float, one: dict[str, object], other: dict[str, object], std: str) -> str:
    """How the difference compares with the spread over seeds."""
    if min(one["n_seeds"], other["n_seeds"]) < 2:
        return ", from one seed, so its spread is unknown"
    spread = math.hypot(one[std], other[std])
    side = "outside" if abs(difference) > spread else "within"
    return f", {side} one standard deviation of the seeds ({spread:.1f})"


def _new_classes(learned: list[dict[str, object]], zero_shot: dict[str, object] | None) -> str:
    by_new = sorted(learned, key=lambda row: -row["new_mean"])
    top, bottom = by_new[0], by_new[-1]
    difference = top["new_mean"] - bottom["new_mean"]
    sentence = (
        f"On new classes the learned prompts range from "
        f"{bottom['new_mean']:.1f} % ({bottom['title']}) "
        f"to {top['new_mean']:.1f} % ({top['title']})"
        f"{_spread(difference, top, bottom, 'new_std')}"
    )
    if zero_shot is not None:
        sentence += f"; {zero_shot['title']} has {zero_shot['new_mean']:.1f} %"
    return f"{sentence}."
