"""Store checkpoints from which a killed training run continues with the same bits.

A checkpoint belongs to one fingerprint, a hash of everything the result depends on. A file with
another fingerprint is no error: it belongs to another run and is overwritten.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from vlprompt_pipeline.filesystem.manifests import described_write, find_fault, may_be_made_from
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
from vlprompt_pipeline.methods.base import PromptLearner

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """What changes while training: trained tensors, optimizer and scaler of the loss."""

    learner: PromptLearner
    optimizer: Optimizer
    scaler: torch.amp.GradScaler

    def tensors(self) -> dict[str, Tensor]:
        """Collect all tensors; the states of random generators are among those of the learner."""
        tensors = {f"learner.{name}": t for name, t in self.learner.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if value is not None:  # SGD without momentum
                    tensors[f"optimizer.{number}.{name}"] = value
        return tensors

    def load(self, tensors: dict[str, Tensor], scaler: dict[str, float]) -> None:
        """Restore the tensors that `tensors` gave, and the state of the scaler."""
        self.learner.load_state_dict(under("learner.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in under("optimizer.", tensors).items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.scaler.load_state_dict(scaler)


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint file of one training run."""

    path: Path
    fingerprint: str

    def save(self, running: Running, rows: list[dict], epochs: int) -> None:
        """Store the state after `epochs` finished epochs, with the history so far."""
        header = {
            "fingerprint": self.fingerprint,
            "epochs": epochs,
            "rows": rows,
            "scaler": running.scaler.state_dict(),
        }
        with described_write(self.path, self.fingerprint) as temporary:
            save_tensors(temporary, running.tensors(), "training", header)

    def restore(self, running: Running) -> tuple[int, list[dict]]:
        """Restore the state; return finished epochs and history, (0, []) if there is none.

        A checkpoint of this run that is not as it was written gets a warning and is not used.
        """
        if not self.path.is_file() or not may_be_made_from(self.path, self.fingerprint):
            return 0, []
        if fault := find_fault(self.path, self.fingerprint):
            logger.warning("%s %s: training begins at its start", self.path, fault)
            return 0, []
        tensors, header = load_tensors(self.path, "training")
        running.load(tensors, header["scaler"])
        return header["epochs"], header["rows"]


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, by the rest of their names."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
