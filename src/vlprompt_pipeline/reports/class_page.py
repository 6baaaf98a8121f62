"""A page on one run, class by class: what is told apart well, what is mixed up, and which photos.

It is written for somebody who knows the photos and not the methods: shares of 100, no statistics.
The methods of a run are the columns of its table; mix-ups and photos are those of the one that was
right most often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.inference.label_page import thumbnail
from vlprompt_pipeline.reports.html import environment
from vlprompt_pipeline.wording import join

HALVES = {"base": "", "new": "classes that were not trained"}
_PHOTOS, _MIXED_UP, _WORST, _SIDE = 60, 15, 3, 130  # our choice: what is looked through at once


@dataclass(frozen=True)
class ScoredRun:
    """The predictions of the methods of one run.

    Attributes:
        title: of the run, such as "my_photos, 8 shots, seed 1".
        note: how its test photos were chosen, where they were drawn here.
        folder: of the photos.
        class_names: of each half.
        predictions: of each method its title and a row a photo; two may have one title.
    """

    title: str
    note: str
    folder: Path
    class_names: Mapping[str, tuple[str, ...]]
    predictions: Sequence[tuple[str, pd.DataFrame]]


class _Method(NamedTuple):
    title: str
    named: pd.DataFrame  # half, path, truth, answer, right

    @property
    def right(self) -> int:
        return int(self.named["right"].sum())


def render_class_page(run: ScoredRun) -> str:
    """Write the page; the same predictions and photos give the same page, byte for byte."""
    methods = [_Method(title, _named(rows, run)) for title, rows in run.predictions]
    best = max(methods, key=lambda method: method.right)
    wrong = best.named[~best.named["right"]]
    photos = _spread(wrong).head(_PHOTOS)
    pictures = [thumbnail(run.folder / path, _SIDE) for path in photos["path"]]
    return (
        environment()
        .get_template("class_page.html.j2")
        .render(
            title=run.title,
            note=run.note,
            summary=_summary(best),
            methods=[method.title for method in methods],
            best=best.title,
            classes=_classes(methods, best),
            mixed_up=_mixed_up(wrong),
            wrong=len(wrong),
            photos=photos.assign(picture=pictures).to_dict("records"),
            version=__version__,
        )
    )


def _named(rows: pd.DataFrame, run: ScoredRun) -> pd.DataFrame:
    """Name the classes of predictions on the halves; leave other sets of images out."""
    parts = []
    for half in HALVES:
        part = rows[rows["half"] == half]
        names = np.array(run.class_names.get(half, ()), dtype=object)
        if len(part):
            truth, answer = names[part["label"]], names[part["prediction"]]
            part = part[["half", "path"]].assign(truth=truth, answer=answer)
            parts.append(part.assign(right=truth == answer))
    return pd.concat(parts, ignore_index=True)


def _summary(best: _Method) -> str:
    """Say in two sentences how often the best method was right, and where least."""
    number = len(best.named)
    text = (
        f"{best.title} gave {best.right:,} of {number:,} test photos the right label, "
        f"{round(100 * best.right / number)} of 100."
    )
    by_class = best.named.groupby("truth", sort=False)["right"].agg(["sum", "size", "mean"])
    worst = by_class[by_class["mean"] < 1].sort_values("mean", kind="stable").head(_WORST)
    if worst.empty:
        return f"{text} Not one was mistaken."
    named = [f"{name} ({row['sum']:.0f} of {row['size']:.0f})" for name, row in worst.iterrows()]
    return f"{text} It was right least often with {join(named)}."


def _classes(methods: list[_Method], best: _Method) -> list[dict[str, object]]:
    """Return a row a class: photos, share of each method, what it is mistaken for; worst first."""
    shares = [100 * method.named.groupby(["half", "truth"])["right"].mean() for method in methods]
    rows = []
    for (half, name), group in best.named.groupby(["half", "truth"], sort=False):
        mistaken = group.loc[~group["right"], "answer"].value_counts()
        rows.append(
            {
                "name": name,
                "half": HALVES[half],
                "photos": len(group),
                "shares": [of_method.get((half, name)) for of_method in shares],
                "share": 100 * group["right"].mean(),
                "mistaken": f"{mistaken.index[0]} ({mistaken.iloc[0]})" if len(mistaken) else "",
            }
        )
    return sorted(rows, key=lambda row: (row["share"], row["name"]))


def _mixed_up(wrong: pd.DataFrame) -> list[tuple[str, str, int]]:
    pairs = wrong.groupby(["truth", "answer"]).size().sort_values(ascending=False, kind="stable")
    return [(truth, answer, int(n)) for (truth, answer), n in pairs.head(_MIXED_UP).items()]


def _spread(wrong: pd.DataFrame) -> pd.DataFrame:
    """Order wrong photos so that each mix-up shows one before any shows a second."""
    pairs = wrong.groupby(["truth", "answer"])
    often, turn = pairs["path"].transform("size"), pairs.cumcount()
    order = wrong.assign(often=-often, turn=turn)
    return order.sort_values(["turn", "often", "truth", "answer", "path"], kind="stable")
