"""Sweeps of zero-shot CLIP over the miniature dataset, for tests."""

from __future__ import annotations

from pathlib import Path

from pipelines.project import QUICK, Project, merged
from vlprompt_pipeline.hooks.errors import in_one_sentence
from vlprompt_pipeline.sweep import Options, grid, run_cells, worker
from vlprompt_pipeline.sweep.plan import plan

PARAMS = {**QUICK, "methods": ["zero_shot"]}


def sweep(project: Project, params: dict | None = None, options: Options | None = None, **axes):
    """Run the cells of a grid."""
    return run_cells(grid(**axes), project.root, None, merged(PARAMS, params or {}), options)


def why_due(project: Project, params: dict, **axes) -> list[str]:
    """Say why each cell of a grid is to be run."""
    return [each.why_due() for each in plan(grid(**axes), project.root, None, params)]


class Faults:
    """Sessions that fail at their first calls, in the place of real ones."""

    def __init__(self, monkeypatch, *errors: BaseException | None):
        self.errors, self.params = list(errors), []
        monkeypatch.setattr(worker, "run_session", self)

    def __call__(self, each, params, runner):
        if each.kind == "shared":
            return
        self.params.append(params)
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, Exception):  # as the hook for errors raises it in a real session
            raise in_one_sentence(error, Path(each.project)) from error
        if error is not None:
            raise error
