"""A job of a sweep and how it ended: what passes between processes and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vlprompt_pipeline.parsing import overlay

Status = Literal["finished", "found", "unrecorded", "busy", "memory", "failed"]


@dataclass(frozen=True)
class Job:
    """What a worker is handed: small, and the same on every machine.

    Attributes:
        name: in words; also that of the task in Ray.
        project: folder of the project.
        params: of the session, those of the cell included.
        group: jobs of one group run one after the other, since they write to the same files.
        kind: `shared` makes what several cells need, `record` logs a finished cell to MLflow.
        after: name of the job that must have ended well before.
        outputs: what a shared job makes, by names of the catalog; all of its stages if empty.
        trained: `training.memory_gb` of the methods of a cell that are trained.
        memory_gb: asked of Ray; none asks for none.
        attempt: counts tries after running out of memory.
        env, sweep_run, force: of the sweep.
    """

    name: str
    project: str
    params: Mapping[str, Any]
    group: str
    kind: Literal["cell", "shared", "record"] = "cell"
    after: str = ""
    outputs: tuple[str, ...] = ()
    trained: Mapping[str, float | None] = field(default_factory=dict)
    memory_gb: float | None = None
    attempt: int = 0
    env: str | None = None
    sweep_run: str = ""
    force: bool = False

    def with_less_memory(self) -> Job:
        """Return the same job with half of the activations kept, and twice the memory asked for."""
        trained = {name: (2.0 if kept is None else kept) / 2 for name, kept in self.trained.items()}
        recipes = {name: {"training": {"memory_gb": kept}} for name, kept in trained.items()}
        return replace(
            self,
            params=overlay(self.params, {"recipes": recipes}),
            trained=trained,
            memory_gb=2 * (self.memory_gb or 2.0),
            attempt=self.attempt + 1,
        )


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: `found` was finished before, `unrecorded` is finished but not in MLflow, `busy` is
            run by another sweep, `memory` and `failed` are not finished.
        sentence: why it failed, or is not in MLflow.
        seconds: it took.
    """

    status: Status
    sentence: str = ""
    seconds: float = 0.0


class TransientError(Exception):
    """Something that may be gone at the next try: a full disk, a fault that nobody foresaw."""
