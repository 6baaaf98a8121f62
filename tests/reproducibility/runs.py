"""Records and prompts for tests."""

from __future__ import annotations

from datetime import UTC, datetime

import torch

from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.reproducibility.environment import environment
from vlprompt_pipeline.reproducibility.record import MadeFile, Record, Run


def run(minute: int, **changed: object) -> Run:
    values = {
        "started": datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
        "ended": datetime(2026, 1, 1, 0, minute, 30, tzinfo=UTC),
        "pipelines": ("cell",),
        "runner": "SequentialRunner",
        "seconds": 30.0,
        "nodes": {"train_coop": 20.0},
        "cpu_seconds": 40.0,
        "peak_memory_bytes": 1,
        "parameters": {"shots": 4, "features": {"views": 2}},
        "environment": environment(),
    }
    return Run(**{**values, **changed})


def prompt(context: torch.Tensor, **recipe: object) -> TrainedPrompt:
    provenance = {"seed": 1, "split_sha256": "split", "few_shot_sha256": "images"}
    classes = ClassTexts(("cat", "dog"), "a photo of a {}.")
    recipe = {"method": "coop", **recipe}
    return TrainedPrompt(recipe, {"context": context}, classes, ClipIdentity("weights"), provenance)


def record(minute: int, **files: str) -> Record:
    """A record of files by name and hash, made by one run."""
    made = {name: MadeFile(path=f"data/{name}", sha256=sha) for name, sha in files.items()}
    return Record.of("coop", prompt(torch.zeros(2, 3)), made, run(minute))
