"""From records and predictions to the tables of a comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.parsing import unknown
from vlprompt_pipeline.results.cells import Predictions, Result, read_results
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.families import Family, families
from vlprompt_pipeline.results.flags import TUNED, flags_of
from vlprompt_pipeline.results.grid import Conditions, asked_for, missing
from vlprompt_pipeline.results.groups import Problem
from vlprompt_pipeline.results.pairs import pairs
from vlprompt_pipeline.results.printed import printed
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.remarks import remarks
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.results.scores import aggregates, ranking

COLUMNS = {
    "families": "family title protocol clip weights_sha256 template_set shots source ranking",
    "scores": "family dataset shots method metric title seeds n_seeds mean std sample_std low high "
    "images flags published published_std delta inside published_source published_flags",
    "pairs": "family dataset shots metric method against difference low high p_value p_holm test "
    "verdict",
    "sizes": "family method title trainable_parameters payload_bytes file_bytes fp16_bytes "
    "inference_cost",
    "missing": "protocol clip dataset shots seed method reason command",
}
_SIZES = COLUMNS["sizes"].split()[3:]
Row = dict[str, object]


def compare(
    records: Sequence[CellRecord],
    problems: Sequence[Problem],
    predictions: Predictions,
    asked: BenchmarkReportParameters,
    run: Conditions,
    order: Sequence[str] = (),
) -> Comparison:
    """Aggregate what `read_records` gave, with the answers of each cell's predictions.

    Args:
        records: all that could be read.
        problems: the records that could not.
        predictions: loaders by place, see `cells.cell_place`.
        asked: the grid.
        run: the configuration that missing cells would be made with.
        order: names of recipes in the order of tables; other methods follow.

    Raises:
        ConfigError: a method is asked for that nobody knows.
        UserError: no record is within the asked grid.
    """
    asked = asked.with_prefix(run.dataset_prefix)
    _require_known(asked.methods or (), records, order)
    wanted = asked_for(records, asked)
    if not wanted:
        unread = "".join(f"; {problem}" for problem in problems)
        raise UserError(
            f"none of the {len(records)} records on disk is within the asked grid{unread}; run a "
            "cell, or ask for others under benchmark_report"
        )
    results, unpredicted = read_results(wanted, predictions)
    found = families(_ordered(results, order))
    absent = missing(wanted, problems, predictions, asked, run)
    tests, uncompared = [], []
    for family in found:
        rows, sentences = pairs(family, asked.against)
        tests += rows
        uncompared += sentences
    return Comparison(
        families=_frame("families", [_family_row(family) for family in found]),
        scores=_frame("scores", [row for family in found for row in _score_rows(family)]),
        pairs=_frame("pairs", tests),
        sizes=_frame("sizes", [row for family in found for row in _size_rows(family)]),
        missing=_frame("missing", absent),
        remarks=remarks(
            records,
            wanted,
            problems,
            unpredicted,
            predictions,
            asked,
            found,
            absent,
            uncompared,
        ),
    )


def _require_known(
    methods: Sequence[str], there: Sequence[CellRecord], order: Sequence[str]
) -> None:
    """A method that has neither recipe nor result is a slip of the pen."""
    allowed = dict.fromkeys([*order, *(one.method for record in there for one in record.methods)])
    for name in methods:
        if name not in allowed:
            raise ConfigError(unknown("benchmark_report.methods", "method", name, list(allowed)))


def _ordered(results: Sequence[Result], order: Sequence[str]) -> list[Result]:
    place = {name: number for number, name in enumerate(order)}
    return sorted(results, key=lambda result: (place.get(result.name, len(place)), result.name))


def _frame(table: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS[table].split())


def _family_row(family: Family) -> Row:
    key = family.key._asdict()
    del key["data"]
    return {"family": family.name, "title": family.title, **key, "ranking": ranking(family)}


def _score_rows(family: Family) -> list[Row]:
    titles = _titles(family)
    rows = []
    for place, (seeds, values, tuned) in aggregates(family).items():
        own = flags_of("ours", place.method, family.key.protocol)
        known = flags_of("published", place.method, family.key.protocol)
        for metric, value in values.items():
            beside = printed(family, *place, metric, value.mean)
            rows.append(
                {
                    "family": family.name,
                    **place._asdict(),
                    "metric": metric,
                    "title": titles[place.method],
                    "seeds": seeds,
                    "n_seeds": len(seeds),
                    "mean": value.mean,
                    "std": value.std,
                    "sample_std": value.sample_std,
                    "low": value.interval.low,
                    "high": value.interval.high,
                    "images": value.images,
                    "flags": (*own, TUNED) if tuned else own,
                    **beside._asdict(),
                    "published_flags": known if beside.published_source else (),
                }
            )
    return rows


def _titles(family: Family) -> dict[str, str]:
    return {result.name: result.method.title for result in family.results}


def _size_rows(family: Family) -> list[Row]:
    """The largest over all cells: what may ship."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in family.results:
        found[result.name].append(result)
    titles = _titles(family)
    return [
        {"family": family.name, "method": name, "title": titles[name]}
        | {size: _largest(results, size) for size in _SIZES}
        for name, results in found.items()
    ]


def _largest(results: Sequence[Result], size: str) -> float:
    """NaN where a record lacks it, as those of earlier versions."""
    values = [getattr(result.method, size) for result in results]
    return float("nan") if None in values else max(values)
