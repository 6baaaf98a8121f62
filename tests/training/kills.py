"""Training killed at random moments, and started again until it ends.

Run: python tests/training/kills.py --kills 50

A process that has imported everything forks one that trains, and kills it (SIGKILL) after a random
part of the time that an undisturbed run takes: in a step, in writing a checkpoint, or between.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where it is run as a script

from forks import exit_code, forked
from learners import COOP, TRAINING, random_views
from training.cuts import require_same_tensors
from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.training import Checkpoint, train

SETTINGS = {**TRAINING, "epochs": 12}
RANDOM = {"length": 4, "init": None, "samples": 2, "kl_weight": 0.001, "prediction": "sampled"}
RECIPES = {
    "coop": {**COOP, "training": SETTINGS},
    "quantized": {"extends": "coop", "quantize": {"bits": 1}},
    "adamw": {"extends": "coop", "training": {"optimizer": "adamw"}},
    "scaled": {"extends": "coop", "training": {"optimizer": "adam", "precision": "fp16-amp"}},
    "sampled": {
        "method": "variational",
        "title": "",
        "prompt": {**RANDOM, "initial_log_variance": -8.0},
        "training": SETTINGS,
    },
}
CLASSES = ClassTexts(("circle", "red star", "blue square"), "a photo of a {}.")


def run(clip: FrozenClip, name: str, folder: Path) -> None:
    """Train a recipe and write its tensors to `folder`, continuing from its checkpoint there."""
    recipe = resolve_recipe(name, RECIPES)
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    checkpoint = Checkpoint(folder / "checkpoint", name)
    rows = train(learner, random_views(clip), recipe.training, checkpoint)
    history = torch.tensor([row["loss"] for row in rows], dtype=torch.float64)
    save_file({**learner.state_dict(), "history": history}, folder / "written")
    (folder / "written").rename(folder / "end")


def disturbed(clip: FrozenClip, name: str, folder: Path, kills: int, chance: random.Random) -> int:
    """Kill the run up to `kills` times, then let it end; returns how often it was killed."""
    alone = folder / "alone"
    alone.mkdir()
    started = time.monotonic()
    assert exit_code(forked(lambda: run(clip, name, alone))) == 0, "the undisturbed run failed"
    seconds = time.monotonic() - started
    beside = folder / "killed"
    beside.mkdir()
    killed = 0
    while killed < kills:
        process = forked(lambda: run(clip, name, beside))
        time.sleep(chance.uniform(0, seconds / 2))
        os.kill(process, signal.SIGKILL)
        if exit_code(process) >= 0:
            break
        killed += 1
    assert exit_code(forked(lambda: run(clip, name, beside))) == 0, "the last run failed"
    require_same_tensors(load_file(beside / "end"), load_file(alone / "end"))
    return killed


def main() -> None:
    """Print how often each kind of run was killed; ends with an error where bits differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    wanted = parser.parse_args().kills
    torch.set_num_threads(1)
    clip, chance, total, number = load_clip("embedded", device="cpu"), random.Random(0), 0, 0
    while total < wanted:
        name = list(RECIPES)[number % len(RECIPES)]
        with tempfile.TemporaryDirectory() as folder:
            killed = disturbed(clip, name, Path(folder), min(5, wanted - total), chance)
        total, number = total + killed, number + 1
        print(f"{name:10s} killed {killed} times, then the same bits; {total} of {wanted} kills")


if __name__ == "__main__":
    main()
