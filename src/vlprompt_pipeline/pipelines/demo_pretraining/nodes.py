"""From a seed to a checkpoint with its card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlprompt_pipeline.clip.forms import OPEN_CLIP_WEIGHTS
from vlprompt_pipeline.demo.card import write_card
from vlprompt_pipeline.demo.checkpoint import save_checkpoint
from vlprompt_pipeline.demo.config import PretrainingConfig
from vlprompt_pipeline.demo.evaluate import ZeroShot, zero_shot
from vlprompt_pipeline.demo.pool import Pool, render_pool
from vlprompt_pipeline.demo.trainer import Trained
from vlprompt_pipeline.filesystem.files import atomic_write


def render_pretraining_pool(recipe: PretrainingConfig) -> Pool:
    """Draw the pictures of pre-training into memory."""
    return render_pool(recipe.pool, recipe.seed, recipe.pool_gap)


def measure_zero_shot(trained: Trained) -> dict[str, Any]:
    """Measure zero-shot accuracy on every rendered dataset."""
    return {name: asdict(scores) for name, scores in zero_shot(trained).items()}


def write_clip(
    trained: Trained, accuracy: dict[str, Any], recipe: PretrainingConfig, folder: Path
) -> dict[str, Any]:
    """Write weights, configuration and card into `folder`; return a record of them."""
    sha256 = save_checkpoint(trained, recipe.architecture, folder)
    size = (folder / OPEN_CLIP_WEIGHTS).stat().st_size
    scores = {name: ZeroShot(**figures) for name, figures in accuracy.items()}
    with atomic_write(folder / "CARD.md") as path:
        path.write_text(write_card(trained, recipe, scores, sha256, size), encoding="utf-8")
    return {"sha256": sha256, "bytes": size, "steps": recipe.steps, "loss": trained.loss}
