"""Which predictions a person should look at first: wrong ones, then doubtful ones, of all kinds.

A prediction is wrong where it differs from a given label: the surer it is, the more likely the
label is wrong. It is doubtful by its margin, the score of the best label less that of the second
(Scheffer, Decomain and Wrobel, 2001). Photos that look alike would tell a person the same, so a
photo waits behind those it resembles: the margin of each is raised by its highest similarity to
what stands before it (our choice). Without features, predicted classes take turns.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SIMILAR = 0.5
"""How much a photo equal to one before it is held back, in units of margin (our choice)."""


def review_order(table: pd.DataFrame, count: int, features: np.ndarray | None = None) -> list[int]:
    """Return the rows to look at, the first first, at most `count`.

    Args:
        table: `label`, `score`, perhaps `score_2` and `given`.
        count: how many.
        features: `[rows, width]` of length 1, or none.
    """
    wrong = np.zeros(len(table), bool)
    if "given" in table:
        given = table["given"].fillna("")
        wrong = ((given != "") & (given != table["label"])).to_numpy()
    second = table["score_2"].fillna(0.0) if "score_2" in table else 0.0
    margin = (table["score"] - second).to_numpy(float)
    # A margin is from 0 to 1: wrong ones, the surest first, stand before all others.
    doubt = np.where(wrong, -1.0 - SIMILAR - margin, margin)
    if features is None:
        doubts = pd.DataFrame({"label": table["label"], "doubt": doubt, "wrong": wrong})
        turns = doubts.sort_values("doubt", kind="stable").groupby(["label", "wrong"]).cumcount()
        return np.lexsort((doubt, turns.sort_index(), ~wrong))[:count].tolist()
    waiting, held_back = np.ones(len(table), bool), np.zeros(len(table))
    order: list[int] = []
    for _ in range(min(count, len(table))):
        row = int(np.argmin(np.where(waiting, doubt + SIMILAR * held_back, np.inf)))
        order.append(row)
        waiting[row] = False
        held_back = np.maximum(held_back, features @ features[row])
    return order
