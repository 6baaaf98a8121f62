"""A job of a sweep and its outcome, which pass between processes and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vlprompt_pipeline.parsing import overlay

Status = Literal["finished", "found", "unrecorded", "busy", "memory", "failed"]


@dataclass(frozen=True)
class Job:
    """A piece of work for a worker: small, and the same on every machine.

    Attributes:
        name: in words; Ray's task is called so, too.
        project: folder of the project.
        params: runtime parameters of the session, with those of the cell.
        group: jobs of one group run one after the other, since they write to the same files.
        kind: `shared` makes what several cells need, `record` logs a finished cell to MLflow.
        after: name of the job that must have ended before this one starts.
        outputs: catalog names of what a shared job makes.
        trained: `training.memory_gb` of each method of the cell that is trained.
        memory_gb: to reserve in Ray; None: no reservation.
        attempt: number of tries that ran out of memory.
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
        seconds: how long it took.
    """

    status: Status
    sentence: str = ""
    seconds: float = 0.0


class TransientError(Exception):
    """A failure that may not happen again: a full disk, a service away, an unforeseen error."""
