"""What a reader of a comparison must know before trusting it, one sentence each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from vlprompt_pipeline.protocols import protocol_title
from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.groups import Group, Problem, group_records
from vlprompt_pipeline.results.metric_names import in_sentence
from vlprompt_pipeline.results.record_checks import group_remarks, mixed_remarks
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.seeds import recoded, results_by_key
from vlprompt_pipeline.wording import counted, shots_text, some

TEXTS_COINCIDE = "Texts that coincide:"
"""Start of the note in a record that tells why methods were not scored."""
_TEXTS = ("template", "templates", "descriptions", "descriptions_sha256")
"""Ends of the names of settings that are written for a dataset."""


def remarks(
    *,
    records: Sequence[CellRecord],
    wanted: Sequence[CellRecord],
    problems: Sequence[Problem],
    unpredicted: Sequence[Problem],
    predictions: Iterable[str],
    against: Sequence[str],
    families: Sequence[Family],
    absent: Sequence[Mapping[str, object]],
    asked: bool,
    uncompared: Sequence[str],
) -> tuple[str, ...]:
    """Return what was left out, what is unlike the rest, and what is missing, in this order.

    Args:
        records: all that could be read.
        wanted: those within the grid of the report.
        problems: records that could not be read.
        unpredicted: predictions that cannot be used.
        predictions: places of all predictions.
        against: methods that others are tested against.
        families: those of `wanted`.
        absent: rows of the missing cells.
        asked: whether they are of a grid that was asked for, or else holes in the tables.
        uncompared: what `pairs` could not compare.
    """
    groups = group_records(wanted)
    return (
        *(f"Left out: {problem}." for problem in problems),
        *(f"Without intervals and tests: {problem}." for problem in unpredicted),
        *_without_record(records, problems, predictions),
        *mixed_remarks(groups),
        *_shared(groups),
        *_unknown_reference(against, families),
        *uncompared,
        *_unlike_settings(families),
        *_recoded(families),
        *_missing(absent, "the asked grid" if asked else "these tables"),
        *_not_asked(records, wanted),
    )


def _without_record(
    records: Sequence[CellRecord], problems: Sequence[Problem], predictions: Iterable[str]
) -> list[str]:
    recorded = {
        Coordinates.of(record.cell, result.method).partition
        for record in records
        for result in record.methods
    }
    recorded |= {problem.name for problem in problems}
    cells = {name.split("/targets/")[0] for name in predictions} - recorded
    unrecorded = sorted(name for name in cells if Coordinates.of_partition(name))
    if not unrecorded:
        return []
    return [
        f"Left out: {some(unrecorded, 3)}, predictions without a record; run their cells again."
    ]


def _shared(groups: Sequence[Group]) -> list[str]:
    """Return the remarks on groups, each once for all groups that it holds for."""
    where: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        key = group.key
        named = f"{key.data}, {shots_text(key.shots)}, {protocol_title(key.protocol)}"
        for remark in group_remarks(group):
            where[remark].append(named)
    return [f"{some(list(dict.fromkeys(names)), 3)}: {remark}" for remark, names in where.items()]


def _unknown_reference(against: Sequence[str], families: Sequence[Family]) -> list[str]:
    methods = {result.name for family in families for result in family.results}
    return [
        f"Nothing is compared with {name}: no cell has it."
        for name in against
        if name not in methods
    ]


def _unlike_settings(families: Sequence[Family]) -> list[str]:
    """Name the methods that were not run with the same settings on all datasets of a table.

    Texts differ by dataset, and so may a recipe's own settings, which a flag tells.
    """
    remarks: dict[str, None] = {}
    for family in families:
        made: dict[tuple[str, int], list[Mapping[str, object]]] = defaultdict(list)
        for result in family.results:
            if result.method.made_with and not result.method.tuned_per_dataset:
                made[result.name, result.key.shots].append(result.method.made_with.settings)
        for (method, _), each in made.items():
            unlike = {
                name
                for settings in each
                for name in settings.keys() & each[0].keys()
                if settings[name] != each[0][name] and not name.endswith(_TEXTS)
            }
            if unlike:
                title, names = family.titles[method], some(sorted(unlike), 3)
                where = f"all datasets of {family.title} ({names})"
                remarks[f"{title} was not run alike on {where}: an average mixes these."] = None
    return list(remarks)


def _recoded(families: Sequence[Family]) -> list[str]:
    """Name the metrics without a mean over seeds since their code changed between them."""
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for family in families:
        for key, by_seed in results_by_key(family).items():
            for name in recoded(by_seed.values()):
                where[by_seed[min(by_seed)].title, name].append(key.dataset)
    return [
        f"{title} has no {in_sentence(name)} on {some(list(dict.fromkeys(datasets)), 3)}: its "
        "seeds were scored with different code of this metric; run the older cells again."
        for (title, name), datasets in where.items()
    ]


def _missing(absent: Sequence[Mapping[str, object]], grid: str) -> list[str]:
    if not absent:
        return []
    are = "is" if len(absent) == 1 else "are"
    return [f"{counted(len(absent), 'cell')} of {grid} {are} missing."]


def _not_asked(records: Sequence[CellRecord], wanted: Sequence[CellRecord]) -> list[str]:
    total, shown = (sum(len(record.methods) for record in part) for part in (records, wanted))
    if total == shown:
        return []
    return [f"{total - shown} of {total} results on disk were not asked for and are left out."]
