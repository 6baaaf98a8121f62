"""Which cells of a grid train side by side: those that differ in seed, or in recipe of one layout.

A group is part of what a result is finished from. So what is finished keeps its group, a cell whose
group has been trained by another one joins it, and new groups are formed among the rest: a grid
that was killed or extended trains nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.filesystem.manifests import remove_described
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.sweep.plan import PlannedCell
from vlprompt_pipeline.training.groups import group_file, members
from vlprompt_pipeline.training.side_by_side import layout_key


def with_groups(
    planned: Sequence[PlannedCell], *, form: bool, force: bool = False
) -> list[PlannedCell]:
    """Return the same cells, each with the group that it trained or will train in.

    Args:
        planned: cells of one grid.
        form: whether due cells form new groups; finished cells keep theirs in any case.
        force: whether all cells are to be run.
    """
    if any("side_by_side" in cell.given for cell in planned):
        return list(planned)
    finished = [None if force else cell.finished_beside() for cell in planned]
    result = [c.beside(group) if group else c for c, group in zip(planned, finished, strict=True)]
    if not form:
        return result
    trained: dict[Hashable, list[SideBySideParameters]] = defaultdict(list)
    for cell, group in zip(planned, finished, strict=True):
        if group and group not in trained[_few_shot_run(cell)]:
            trained[_few_shot_run(cell)].append(group)
    fresh: dict[Hashable, list[int]] = defaultdict(list)
    for number, cell in enumerate(result):
        layouts = _layouts(cell)
        if not layouts or finished[number] or not (force or cell.why_due()):
            continue
        joined = [group for group in trained[_few_shot_run(cell)] if _is_in(cell, group)]
        if joined:
            result[number] = cell.beside(joined[0])
        else:
            fresh[_few_shot_run(cell), frozenset(layouts.values())].append(number)
    for numbers in fresh.values():
        group = _group([result[number] for number in numbers])
        if len(group.seeds) * len(group.methods) > 1:
            for number in numbers:
                result[number] = result[number].beside(group)
    return result


def forget_groups(planned: Sequence[PlannedCell]) -> None:
    """Remove the stored results of the cells' groups, so that these are trained again."""
    for cell in planned:
        run = cell.parameters
        folder = (cell.data.root / "06_models" / cell.folder).parent / "side_by_side"
        for method in cell.methods:
            group = members(method, run.seed, run.side_by_side, cell.recipes)
            if len(group) > 1:
                remove_described(group_file(folder, group))


def _few_shot_run(cell: PlannedCell) -> Hashable:
    """Return what cells of a group have in common, apart from their recipes."""
    run = cell.parameters
    return run.protocol, run.benchmark, run.shots


def _layouts(cell: PlannedCell) -> dict[str, Hashable]:
    """Return the layouts of the methods of a cell that can share a batch."""
    keys = {name: layout_key(resolve_recipe(name, cell.recipes)) for name in cell.methods}
    return {name: key for name, key in keys.items() if key is not None}


def _is_in(cell: PlannedCell, group: SideBySideParameters) -> bool:
    return cell.parameters.seed in group.seeds and {*_layouts(cell)} <= {*group.methods}


def _group(cells: Sequence[PlannedCell]) -> SideBySideParameters:
    """Return the group of cells, in the order of the grid."""
    seeds = dict.fromkeys(cell.parameters.seed for cell in cells)
    methods = dict.fromkeys(name for cell in cells for name in _layouts(cell))
    return SideBySideParameters(seeds=tuple(seeds), methods=tuple(methods))
