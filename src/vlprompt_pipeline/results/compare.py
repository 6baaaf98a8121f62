"""From records and predictions to the tables of a comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import nan
from operator import itemgetter

import pandas as pd

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.parsing import unknown
from vlprompt_pipeline.results.cells import Predictions, Result, read_results
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.families import Family, families
from vlprompt_pipeline.results.flags import TUNED, flags_of
from vlprompt_pipeline.results.grid import ReportRun, asked_for, missing
from vlprompt_pipeline.results.groups import Problem, group_key
from vlprompt_pipeline.results.pairs import pairs
from vlprompt_pipeline.results.printed import printed
from vlprompt_pipeline.results.records import ZERO_SHOT, CellRecord
from vlprompt_pipeline.results.remarks import remarks
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.results.scores import aggregates, ranking
from vlprompt_pipeline.results.seeds import ScoreKey
from vlprompt_pipeline.wording import seeds_text

COLUMNS = {
    "families": "family title protocol clip weights_sha256 template_set shots source ranking",
    "scores": "family dataset shots method metric title seeds n_seeds mean std sample_std low high "
    "images per_seed caveats flags published published_std delta inside published_source "
    "published_flags",
    "pairs": "family dataset shots metric method against seeds difference low high p_value p_holm "
    "tests test verdict",
    "sizes": "family method title trainable_parameters payload_bytes file_bytes fp16_bytes "
    "inference_cost",
    "missing": "protocol clip dataset shots seed method reason command",
    "provenance": "family dataset shots seed split_sha256 random_split few_shot_sha256 "
    "code_version base_classes new_classes test_images group",
}
_SIZES = COLUMNS["sizes"].split()[3:]
Row = dict[str, object]


def compare(
    records: Sequence[CellRecord],
    problems: Sequence[Problem],
    predictions: Predictions,
    parameters: BenchmarkReportParameters,
    run: ReportRun,
    order: Sequence[str] = (),
    newest: str = "",
) -> Comparison:
    """Aggregate what `read_records` gave, with each cell's predictions.

    Args:
        records: all that could be read.
        problems: the records that could not.
        predictions: loaders by partition, see `coordinates.Coordinates`.
        parameters: the grid.
        run: the configuration that missing cells would be made with.
        order: names of recipes in the order of tables; other methods follow.
        newest: date of the newest record.

    Raises:
        ConfigError: an unknown method is asked for.
        UserError: no record is within the asked grid.
    """
    parameters = parameters.with_prefix(run.dataset_prefix)
    _require_known(parameters.methods or (), records, order)
    wanted = asked_for(records, parameters)
    if not wanted:
        unread = "".join(f"; {problem}" for problem in problems)
        raise UserError(
            f"none of the {len(records)} records on disk is within the asked grid{unread}; run a "
            "cell, or ask for others under benchmark_report"
        )
    results, unpredicted = read_results(wanted, predictions)
    compared = families(_ordered(results, order))
    absent = missing(wanted, problems, predictions, parameters, run)
    tests, uncompared = [], []
    for family in compared:
        rows, sentences = pairs(family, parameters.against)
        tests += rows
        uncompared += sentences
    scores = [row for family in compared for row in _score_rows(family)]
    return Comparison(
        families=_frame("families", [_family_row(family) for family in compared]),
        scores=_frame("scores", _with_seeds_of_tests(scores, tests)),
        pairs=_frame("pairs", tests),
        sizes=_frame("sizes", [row for family in compared for row in _size_rows(family)]),
        missing=_frame("missing", absent),
        provenance=_frame("provenance", _provenance_rows(compared, wanted)),
        remarks=remarks(
            records=records,
            wanted=wanted,
            problems=problems,
            unpredicted=unpredicted,
            predictions=predictions,
            against=parameters.against,
            families=compared,
            absent=absent,
            asked=parameters.has_grid,
            uncompared=uncompared,
        ),
        newest=newest,
    )


def _require_known(
    methods: Sequence[str], records: Sequence[CellRecord], order: Sequence[str]
) -> None:
    """Refuse a method that has neither recipe nor result: it is misspelt."""
    allowed = dict.fromkeys(
        [*order, *(result.method for record in records for result in record.methods)]
    )
    for name in methods:
        if name not in allowed:
            raise ConfigError(unknown("benchmark_report.methods", "method", name, list(allowed)))


def _ordered(results: Sequence[Result], order: Sequence[str]) -> list[Result]:
    rank = {name: number for number, name in enumerate(order)}
    return sorted(
        results, key=lambda r: (rank.get(r.method.method, len(rank)), r.method.method, r.name)
    )


def _frame(table: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS[table].split())


def _family_row(family: Family) -> Row:
    key = family.key._asdict()
    del key["data"]
    return {"family": family.name, "title": family.title, **key, "ranking": ranking(family)}


def _score_rows(family: Family) -> list[Row]:
    recipes = {result.name: result.method.method for result in family.results}
    titles, rows = family.titles, []
    for key, (seeds, values, tuned) in aggregates(family).items():
        recipe = recipes[key.method]
        ours = flags_of("ours", recipe, family.key.protocol)
        theirs = flags_of("published", recipe, family.key.protocol)
        for metric, value in values.items():
            figure = printed(family, key.dataset, key.shots, recipe, metric, value.mean)
            rows.append(
                {
                    "family": family.name,
                    **key._asdict(),
                    "metric": metric,
                    "title": titles[key.method],
                    "seeds": seeds,
                    "n_seeds": len(seeds),
                    "mean": value.mean,
                    "std": value.std,
                    "sample_std": value.sample_std,
                    "low": value.interval.low,
                    "high": value.interval.high,
                    "images": value.images,
                    "per_seed": value.per_seed,
                    "caveats": value.caveats,
                    "flags": (*ours, TUNED) if tuned else ours,
                    **figure._asdict(),
                    "published_flags": theirs if figure.published_source else (),
                }
            )
    return rows


def _with_seeds_of_tests(scores: Sequence[Row], tests: Sequence[Row]) -> list[Row]:
    """Add a caveat where the test against zero-shot is over fewer seeds than the score."""
    key = itemgetter("family", *ScoreKey._fields, "metric")
    tested = {key(test): test["seeds"] for test in tests if test["against"] == ZERO_SHOT}
    fewer = (tested.get(key(score), score["seeds"]) for score in scores)
    return [
        score
        if seeds == score["seeds"]
        else {**score, "caveats": (*score["caveats"], f"tested on {seeds_text(seeds)}")}
        for score, seeds in zip(scores, fewer, strict=True)
    ]


def _provenance_rows(compared: Sequence[Family], records: Sequence[CellRecord]) -> list[Row]:
    """Make one row a (family, cell): the fingerprints of its data, code and images."""
    cells = {(group_key(record), record.cell.seed): record.cell for record in records}
    rows: dict[tuple[object, ...], Row] = {}
    for family in compared:
        for result in family.results:
            key, cell = result.key, cells[result.key, result.seed]
            base, new = result.method.base, result.method.new
            row = {
                "family": family.name,
                "dataset": key.data,
                "shots": key.shots,
                "seed": result.seed,
                "split_sha256": key.split_sha256,
                "random_split": key.random_split,
                "few_shot_sha256": cell.few_shot_sha256,
                "code_version": cell.code_version,
                "base_classes": key.classes[0],
                "new_classes": key.classes[1],
                "test_images": f"{base.total} base, {new.total} new" if new else str(base.total),
                "group": key,
            }
            row_key = (family.name, key, result.seed)
            if new or row_key not in rows:  # what is bound to its classes has no new images
                rows[row_key] = row
    return sorted(rows.values(), key=lambda row: (row["dataset"], row["shots"], row["seed"]))


def _size_rows(family: Family) -> list[Row]:
    """Make one row a method, with the largest sizes of all its cells: what may ship."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in family.results:
        by_name[result.name].append(result)
    titles = family.titles
    return [
        {"family": family.name, "method": name, "title": titles[name]}
        | {size: _largest(results, size) for size in _SIZES}
        for name, results in by_name.items()
    ]


def _largest(results: Sequence[Result], size: str) -> float:
    """Return NaN where a record lacks it, as those of earlier versions."""
    values = [getattr(result.method, size) for result in results]
    return nan if None in values else max(values)
