"""Which prompts train side by side, and the file that keeps what they became.

The first run of a group trains all of it; the run of another seed or recipe finds its prompt here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.filesystem.manifests import described_write, find_fault
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.training.checkpoint import under
from vlprompt_pipeline.training.side_by_side import layout_key

_HEADER = "side_by_side"

Trained = tuple[dict[str, Tensor], list[dict]]
"""State of a learner, and its history."""


class Member(NamedTuple):
    """A prompt of a group: the name of its recipe, and its seed."""

    method: str
    seed: int


def members(
    method: str,
    seed: int,
    side_by_side: SideBySideParameters,
    recipes: Mapping[str, Mapping[str, Any]],
) -> tuple[Member, ...]:
    """Return the prompts that train with that of a recipe and a seed, itself among them.

    Of `side_by_side.methods` those belong to it whose layout and schedule are the same.

    Raises:
        ConfigError: a recipe is not what it should be.
    """
    key = layout_key(resolve_recipe(method, recipes))
    if key is None:
        return (Member(method, seed),)
    methods = side_by_side.methods if method in side_by_side.methods else (method,)
    alike = [name for name in methods if layout_key(resolve_recipe(name, recipes)) == key]
    seeds = side_by_side.seeds or (seed,)
    return tuple(Member(name, number) for name in alike for number in seeds)


def group_file(folder: Path, group: Sequence[Member]) -> Path:
    """Name the file of a group."""
    text = "+".join(f"{method} {seed}" for method, seed in group)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def save_group(path: Path, fingerprint: str, trained: Sequence[Trained]) -> None:
    """Store what all members became; `fingerprint` hashes everything that it depends on."""
    tensors = {
        f"{number}.{name}": tensor
        for number, (state, _) in enumerate(trained)
        for name, tensor in state.items()
    }
    histories = [rows for _, rows in trained]
    with described_write(path, fingerprint) as temporary:
        save_tensors(temporary, tensors, _HEADER, histories)


def load_member(path: Path, fingerprint: str, number: int) -> Trained | None:
    """Return a trained member; none if the group is not trained yet, or was of other inputs."""
    if find_fault(path, fingerprint):
        return None
    tensors, histories = load_tensors(path, _HEADER)
    return under(f"{number}.", tensors), histories[number]
