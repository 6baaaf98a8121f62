"""The accuracies that the table of a protocol has, and what was printed beside each."""

from __future__ import annotations

from typing import NamedTuple

from vlprompt_pipeline.results.groups import Group
from vlprompt_pipeline.results.published import SHIFTED, TARGETS

AVERAGE = "average"


class ScoreColumn(NamedTuple):
    """One accuracy of the table: its heading, its name in a sentence and its columns.

    `printed` is where papers print it: the dataset (empty: the group's own) and the metric.
    """

    heading: str
    name: str
    mean: str
    std: str
    delta: str
    published: str
    printed: tuple[str, str]


_BASE_NEW_H = (
    ScoreColumn(
        "Base",
        "base accuracy",
        "base_mean",
        "base_std",
        "delta_base",
        "published_base",
        ("", "base"),
    ),
    ScoreColumn(
        "New", "new accuracy", "new_mean", "new_std", "delta_new", "published_new", ("", "new")
    ),
    ScoreColumn("H", "H", "h", "h_std", "delta_h", "published_h", ("", "H")),
)


def score_columns(group: Group, *, scored_new: bool = True) -> tuple[ScoreColumn, ...]:
    """Base, new and H; or source, targets and their average; or the accuracy on all classes.

    The last one ranks the methods. New and H are left out unless `scored_new`.
    """
    if group.has_new:
        return _BASE_NEW_H if scored_new else _BASE_NEW_H[:1]
    if not group.targets:
        return (_own("Accuracy", "accuracy"),)
    names = [target.dataset for target in group.targets]
    whole = set(names) in (TARGETS, SHIFTED)
    return (
        _own("Source", f"accuracy on {group.key.dataset}"),
        *(_on(name, name, f"accuracy on {name}", name) for name in names),
        _on(AVERAGE, "Average", "average accuracy on the targets", AVERAGE if whole else "none"),
    )


def target_names(group: Group) -> tuple[str, ...]:
    """Names of the targets' columns and, last, of their average, without `_mean`; or none."""
    if not group.targets:
        return ()
    return tuple(f"on_{name}" for name in (*(one.dataset for one in group.targets), AVERAGE))


def _own(heading: str, name: str) -> ScoreColumn:
    return ScoreColumn(
        heading, name, "base_mean", "base_std", "delta_base", "published_base", ("", "acc")
    )


def _on(dataset: str, heading: str, name: str, printed: str) -> ScoreColumn:
    """Columns of a target, or of the average; `printed` is what the papers call it."""
    columns = (f"{what}on_{dataset}{after}" for what, after in _AROUND)
    return ScoreColumn(heading, name, *columns, printed=(printed, "acc"))


_AROUND = (("", "_mean"), ("", "_std"), ("delta_", ""), ("published_", ""))
