"""The figures of a comparison for a paper, by name; a method looks the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.reports.panels import curves_figure, gains_figure, targets_figure
from vlprompt_pipeline.reports.scatter import base_new_figure, size_figure
from vlprompt_pipeline.reports.sheet import Look, looks_of
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import join, seeds_text, shots_text


def figures(comparison: Comparison) -> dict[str, Figure]:
    """Return every figure there are numbers for.

    Of each family `<family>_base_new`, `_targets` or `_few_shot`, then `_gains` (with targets
    `_shift`) and `_size`. Gains need zero-shot. Where no method has all datasets, base against new
    and sizes are of the dataset that most methods have.
    """
    looks = looks_of(comparison.scores["method"].drop_duplicates())
    return {
        f"{family['family']}_{kind}": figure
        for family in comparison.families.to_dict("records")
        for kind, figure in _of_family(comparison, family, looks)
        if figure is not None
    }


def _of_family(
    comparison: Comparison, family: Mapping[str, object], looks: Mapping[str, Look]
) -> Iterator[tuple[str, Figure | None]]:
    everything = comparison.of(family["family"])
    scores = everything[everything["metric"] == family["ranking"]]
    if scores.empty:
        return
    shots = scores["shots"].max()
    last = scores[scores["shots"] == shots]
    dataset = AVERAGE if last["dataset"].eq(AVERAGE).any() else last["dataset"].mode()[0]
    whole = last[last["dataset"] == dataset]
    conditions = _conditions(family, last)
    tests = comparison.of(family["family"], "pairs")
    if family["source"]:
        yield "targets", targets_figure(conditions, family["source"], last, looks)
    elif family["shots"] == 0:
        yield "few_shot", curves_figure(family["title"], family["ranking"], scores, looks)
    else:
        here = everything[everything["dataset"].eq(dataset) & everything["shots"].eq(shots)]
        where = conditions if dataset == AVERAGE else f"{dataset}, {conditions}"
        yield "base_new", base_new_figure(where, here, looks)
    kind = "shift" if family["source"] else "gains"
    yield kind, gains_figure(conditions, family, last, tests, looks)
    sizes = comparison.of(family["family"], "sizes")
    yield "size", size_figure(conditions, family["ranking"], whole, sizes, looks)


def _conditions(family: Mapping[str, object], scores: pd.DataFrame) -> str:
    shots = [shots_text(scores["shots"].iloc[0])] if family["shots"] == 0 else []
    seeds = set(scores["seeds"])
    over = [seeds_text(*seeds)] if len(seeds) == 1 else []
    return join([family["title"], *shots, *over])
