"""One run of an analysis: a recipe trained with a seed, and what is kept of it on disk.

A result belongs to a fingerprint of everything it depends on, so an analysis that was stopped, or
asked for one more strength of noise, trains what is missing and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vlprompt_pipeline.analysis.material import Material
from vlprompt_pipeline.filesystem.manifests import described_write, find_fault
from vlprompt_pipeline.filesystem.places import is_there
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
from vlprompt_pipeline.methods import Recipe
from vlprompt_pipeline.source_code import code_digest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A recipe, its title aside, and a seed. Made by `of`; equal runs are trained once."""

    recipe: Recipe
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, seed: int) -> Run:
        """Return the run of a recipe, which may have any title."""
        return cls(recipe.model_copy(update={"title": ""}), seed)

    def fingerprint(self, material: Material, followed: bool) -> str:
        """Return the hash of everything the result depends on, and of whether it has curves."""
        parts = [
            self.recipe.model_dump(mode="json"),
            self.seed,
            followed,
            material.identity(self.seed),
            code_digest("results", *self.recipe.code),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Result:
    """What a run left.

    Attributes:
        scores: of the packed prompt: `base_correct`, `base_total`, `new_correct`, `new_total`,
            `trainable_parameters`, `payload_bytes`, `file_bytes`; nothing of new classes where it
            is bound to those of training.
        state: the learner's state at the end, full-precision weights.
        correct: `[epochs + 1, 2]` right answers on base and new test images before training and
            after each epoch, or None if the run was not followed.
        contexts: `[epochs + 1, tokens, width]` of the prompt at these moments, or None.
    """

    scores: dict[str, int]
    state: dict[str, Tensor]
    correct: Tensor | None = None
    contexts: Tensor | None = None


Results = Mapping[Run, Result]


@dataclass(frozen=True)
class ResultStore:
    """A folder of results, one file a run."""

    root: Path

    def load(self, fingerprint: str) -> Result | None:
        """Read a result; None if there is none or its file was changed: then it is made again."""
        path = self._path(fingerprint)
        if not is_there(path):
            return None
        if fault := find_fault(path, fingerprint):
            logger.warning("%s %s: the run is made again", path, fault)
            return None
        tensors, scores = load_tensors(path, "scores")
        state = {
            name.removeprefix("state."): tensor
            for name, tensor in tensors.items()
            if name.startswith("state.")
        }
        return Result(scores, state, tensors.get("correct"), tensors.get("contexts"))

    def save(self, fingerprint: str, result: Result) -> None:
        """Write atomically."""
        tensors = {f"state.{name}": tensor for name, tensor in result.state.items()}
        for name in ("correct", "contexts"):
            if getattr(result, name) is not None:
                tensors[name] = getattr(result, name)
        with described_write(self._path(fingerprint), fingerprint) as temporary:
            save_tensors(temporary, tensors, "scores", result.scores)

    def _path(self, fingerprint: str) -> Path:
        return self.root / f"{fingerprint}.safetensors"
