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
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.training import CachedViews, Checkpoint, train

SETTINGS = {
    "epochs": 12,
    "batch_size": 4,
    "lr": 0.02,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "warmup_epochs": 1,
    "warmup_lr": 1e-5,
}
COOP = {"length": 4, "init": None, "class_specific": False, "class_position": "end"}
RANDOM = {"length": 4, "init": None, "samples": 2, "kl_weight": 0.001, "prediction": "sampled"}
RECIPES = {
    "coop": {"method": "coop", "title": "", "prompt": COOP, "training": SETTINGS},
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
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(11, 2, clip.embed_dim, generator=generator), dim=-1)
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    batches = CachedViews(features, torch.arange(11) % 3, batch_size=4, seed=3)
    rows = train(learner, batches, recipe.training, Checkpoint(folder / "checkpoint", name))
    history = torch.tensor([row["loss"] for row in rows], dtype=torch.float64)
    save_file({**learner.state_dict(), "history": history}, folder / "written")
    (folder / "written").rename(folder / "end")


def disturbed(clip: FrozenClip, name: str, folder: Path, kills: int, chance: random.Random) -> int:
    """Kill the run up to `kills` times, then let it end; returns how often it was killed."""
    alone = folder / "alone"
    alone.mkdir()
    started = time.monotonic()
    _wait(_fork(clip, name, alone))
    seconds = time.monotonic() - started
    beside = folder / "killed"
    beside.mkdir()
    killed = 0
    while killed < kills:
        process = _fork(clip, name, beside)
        time.sleep(chance.uniform(0, seconds / 2))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    _wait(_fork(clip, name, beside))
    whole, pieced = load_file(alone / "end"), load_file(beside / "end")
    assert whole.keys() == pieced.keys()
    for tensor, value in whole.items():
        assert torch.equal(value, pieced[tensor]), f"{name}: {tensor} has other bits"
    return killed


def _fork(clip: FrozenClip, name: str, folder: Path) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            torch.set_num_threads(1)  # threads do not survive a fork
            run(clip, name, folder)
            code = 0
        finally:
            os._exit(code)
    return process


def _wait(process: int) -> None:
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the undisturbed run failed"


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
