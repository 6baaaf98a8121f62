"""Checkpoints that let a killed training run continue with the same bits.

A checkpoint belongs to one fingerprint: everything the result depends on. A file of another
fingerprint is no error, it is simply not this run's and is overwritten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.prompts.base import PromptLearner


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint file of one training run."""

    path: Path
    fingerprint: str

    def save(
        self, learner: PromptLearner, optimizer: Optimizer, rows: list[dict], epochs: int
    ) -> None:
        """Store the state after `epochs` finished epochs, with the history so far."""
        tensors = {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}
        tensors |= {f"momentum.{i}": value for i, value in enumerate(_momenta(optimizer))}
        header = {"fingerprint": self.fingerprint, "epochs": epochs, "rows": rows}
        metadata = {"training": json.dumps(header)}  # one key: several are written in any order
        with atomic_write(self.path) as temporary:
            save_file({n: t.contiguous() for n, t in tensors.items()}, temporary, metadata)

    def restore(self, learner: PromptLearner, optimizer: Optimizer) -> tuple[int, list[dict]]:
        """Bring back the state; returns finished epochs and history, (0, []) if there is none."""
        try:
            with safe_open(self.path, "pt") as stored:
                header = json.loads((stored.metadata() or {}).get("training", "{}"))
                if header.get("fingerprint") != self.fingerprint:
                    return 0, []
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError):
            return 0, []
        learner.load_state_dict(_under("learner.", tensors))
        momenta = _under("momentum.", tensors)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            if str(number) in momenta:
                buffer = momenta[str(number)].to(parameter.device)
                optimizer.state[parameter]["momentum_buffer"] = buffer
        return header["epochs"], header["rows"]


def _momenta(optimizer: Optimizer) -> list[Tensor]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    buffers = [optimizer.state.get(p, {}).get("momentum_buffer") for p in parameters]
    return [buffer for buffer in buffers if buffer is not None]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
