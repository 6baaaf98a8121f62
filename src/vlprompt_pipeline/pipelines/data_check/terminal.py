"""The data check as a table for a terminal, and what to do below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from vlprompt_pipeline.image_datasets import Survey
from vlprompt_pipeline.image_datasets.survey import ABSENT
from vlprompt_pipeline.reports.console import WIDTH, text_console
from vlprompt_pipeline.wording import human_bytes, join, shots_text

_HASH_DIGITS = 8
_CLASSES_SHOWN = 5
_SPLIT_MARKS = {"hash": "✓", "counts": "≈", "differs": "✗"}
_SET_MARKS = {True: "✓", False: "✗", None: "·"}
_LEGEND = (
    "✓ the official split, the published few-shot set · ≈ its numbers are official, no hash is "
    "known · ✗ another"
)


def render_surveys(surveys: Sequence[Survey], root: Path, shots: int, seed: int) -> str:
    """Write a table of all datasets, then what to do about wrong and missing ones."""
    console = text_console(WIDTH)
    there = [survey for survey in surveys if survey.state != ABSENT]
    where = root if root.is_dir() else f"{root}, which is no folder"
    heading = f"datasets under {where}: {len(there)} of {len(surveys)} found"
    console.print(heading, soft_wrap=True)
    console.print(_table(surveys))
    console.print(f"few-shot: {shots_text(shots)}, seed {seed}; {_LEGEND}\n")
    for line in (*_wrong(there), *_absent(surveys)):
        console.print(line, soft_wrap=True)
    return console.file.getvalue()


def _table(surveys: Sequence[Survey]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    numbers = ("classes", "images", "missing", "broken")
    for heading in ("dataset", "state", *numbers, "split", "few-shot", "size"):
        justify = "right" if heading in (*numbers, "size") else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    for survey in surveys:
        table.add_row(*_cells(survey))
    return table


def _cells(survey: Survey) -> tuple[str, ...]:
    if survey.state == ABSENT:
        return (survey.dataset, survey.state)
    looked_at = survey.bytes_on_disk is not None
    split, digest = survey.split_sha256, survey.few_shot_digest
    return (
        survey.dataset,
        survey.state,
        _against(_number(survey.classes), _number(survey.classes_expected)),
        _against(_total(survey.images), _total(survey.images_expected)),
        _number(survey.missing if looked_at else None),
        _number(survey.unreadable if looked_at else None),
        f"{split[:_HASH_DIGITS]} {_SPLIT_MARKS[survey.split_check]}" if split else "–",
        f"{digest['train'][:_HASH_DIGITS]} {_SET_MARKS[survey.few_shot_published]}"
        if digest
        else "–",
        human_bytes(survey.bytes_on_disk) if looked_at else "–",
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _total(images: dict[str, int] | None) -> str:
    return _number(None if images is None else sum(images.values()))


def _against(counted: str, expected: str) -> str:
    return counted if counted == expected else f"{counted}/{expected}"


def _wrong(surveys: Sequence[Survey]) -> Iterator[str]:
    for survey in surveys:
        for problem in survey.problems:
            yield f"! {survey.dataset}: {problem}"
        for fault in survey.faults[:_CLASSES_SHOWN]:
            first = [*fault.missing, *fault.unreadable][0]
            yield (
                f"    {fault.class_name}: {len(fault.missing):,} missing and "
                f"{len(fault.unreadable):,} unreadable of {fault.images:,}, first "
                f"{first[0]} ({first[1]})"
            )
        if len(survey.faults) > _CLASSES_SHOWN:
            yield f"    and {len(survey.faults) - _CLASSES_SHOWN:,} more classes"


def _absent(surveys: Sequence[Survey]) -> Iterator[str]:
    absent = [survey for survey in surveys if survey.state == ABSENT]
    by_remedy: dict[str, list[str]] = {}
    for survey in absent:
        by_remedy.setdefault(survey.to_do, []).append(survey.dataset)
    for remedy, names in by_remedy.items():
        yield f"- {join(names)}: {remedy}"
