"""From predictions on disk to a table, a figure and sentences on rejection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.protocols import get_protocol
from vlprompt_pipeline.reports.console import WIDTH, text_console
from vlprompt_pipeline.reports.risk_coverage import risk_coverage_figure
from vlprompt_pipeline.results.cells import StoredResults
from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.groups import GroupKey, group_key, read_records
from vlprompt_pipeline.results.outsiders import Scores, compare_with_hosts, outsider_table
from vlprompt_pipeline.results.record_checks import differing
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.variants import find_variants
from vlprompt_pipeline.wording import shots_text

_SCORES = {"maximum softmax": "probability", "energy": "energy"}


def measure_rejection(
    predictions: dict[str, Callable[[], pd.DataFrame]],
    results: StoredResults,
    recipes: dict[str, Any],
    clip_name: str,
    prefix: str,
    dataset: str,
    shots: int,
    protocol: str,
    settings: dict[str, Any],
) -> tuple[pd.DataFrame, str, Figure]:
    """Measure how all methods with predictions on a dataset reject outsiders, over their seeds.

    Returns:
        A table with a row per method and kind of score; the text for a terminal; the figure of risk
        against coverage.

    Raises:
        DataError: there are no predictions, or seeds of one method were made differently.
    """
    label = get_protocol(protocol).label(settings)
    cell = f"{clip_name}/{prefix}{dataset}/{label}/shots{shots}/"
    by_method: dict[str, dict[str, pd.DataFrame]] = defaultdict(dict)
    for name, load in sorted(predictions.items()):
        seed, _, method = name.removeprefix(cell).partition("/")
        if name.startswith(cell) and seed.startswith("seed") and method in recipes:
            by_method[method][seed] = load()
    if not by_method:
        raise DataError(
            f"no predictions for {prefix}{dataset}, {label}, {shots_text(shots)} with CLIP "
            f"{clip_name}: run its methods first (kedro run with the same parameters)"
        )
    require_made_alike(
        read_records(results.records)[0],
        {f"{cell}{seed}/{method}" for method, by_seed in by_method.items() for seed in by_seed},
    )
    ordered = {method: by_method[method] for method in recipes if method in by_method}
    titles = {method: resolve_recipe(method, recipes).title for method in ordered}
    scores = {
        kind: {m: of_m for m, by_seed in ordered.items() if (of_m := Scores.of(by_seed, column))}
        for kind, column in _SCORES.items()
    }
    table = outsider_table(scores, titles)
    sentences = compare_with_hosts(scores, _hosts(recipes, list(ordered)), titles)
    title = f"{prefix}{dataset}, {get_protocol(protocol).title}, {shots_text(shots)}"
    tables = {method: list(by_seed.values()) for method, by_seed in ordered.items()}
    figure = risk_coverage_figure(tables, titles, title)
    return table, _text(title, table, sentences), figure


def require_made_alike(records: Iterable[CellRecord], partitions: Collection[str]) -> None:
    """Refuse to average seeds that were made with other settings, pictures, CLIP or code.

    Raises:
        DataError: saying which method differs between its seeds, and in what.
    """
    measured: list[CellRecord] = []
    keys: dict[str, set[GroupKey]] = defaultdict(set)
    for record in records:
        for made in record.methods:
            if Coordinates.of(record.cell, made.method).partition in partitions:
                measured.append(record.model_copy(update={"methods": (made,)}))
                keys[made.method].add(group_key(record))
    for method, different in keys.items():
        if len(different) > 1:
            raise DataError(
                f"the seeds of {method} were run with different {differing(different)}, so they "
                "have no average: run all its seeds with the same parameters"
            )
    for (key, seed, method), difference in find_variants(measured).items():
        raise DataError(
            f"seed {seed} of {method} on {key.data} was made differently from the other seeds "
            f"({difference}), so they have no average: run all its seeds with the same parameters"
        )


def _hosts(recipes: Mapping[str, Any], methods: Sequence[str]) -> dict[str, str]:
    """Map each quantized method to the method that differs only in quantization."""
    plain, hosts = {}, {}
    for method in methods:
        recipe = resolve_recipe(method, recipes)
        values = recipe.model_dump_json(exclude={"title", "quantize"})
        if recipe.quantize is None:
            plain.setdefault(values, method)
        else:
            hosts[method] = values
    return {method: plain[values] for method, values in hosts.items() if values in plain}


def _text(title: str, table: pd.DataFrame, sentences: Sequence[str]) -> str:
    console = text_console(WIDTH)
    if table.empty:
        console.print(
            f"{title}: no class is held out, so there are no outsiders; the figure shows what "
            "refusing the least sure images saves"
        )
        return console.file.getvalue()
    headings = ("method", "score", "seeds", "AUROC % (95 % interval)", "FPR95 % (95 %)")
    drawn = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in table.to_dict("records"):
        drawn.add_row(
            row["title"],
            row["score"],
            str(row["seeds"]),
            f"{row['auroc']:.1f} ({row['auroc_low']:.1f} to {row['auroc_high']:.1f})",
            f"{row['fpr95']:.1f} ({row['fpr95_low']:.1f} to {row['fpr95_high']:.1f})",
        )
    first = table.iloc[0]
    console.print(
        f"{title}: {first['images']} images of base classes, {first['outsiders']} of new classes "
        "as outsiders"
    )
    console.print(drawn)
    for sentence in sentences:
        console.print(f"{sentence}.", soft_wrap=True)
    return console.file.getvalue()
