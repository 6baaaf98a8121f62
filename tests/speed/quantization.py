"""What quantization adds to a training step of its host method, in one process.

Epochs of the host and of the quantized method in turn, with everything that the training loop does:
batches, loss, gradient, step, and looking at the codebooks and making them anew. Cached features,
so the step is as cheap as it can be and the share that quantization adds as large. One thread, and
seconds of the processor: the same on a machine that has other work.

Run: python tests/speed/quantization.py
"""

from __future__ import annotations

import statistics
import time

import torch
from torch.nn import functional as F

from vlprompt_pipeline.clip import ClipIdentity, FrozenClip, load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.training import CachedViews
from vlprompt_pipeline.training.capture import Steps, recorder_for
from vlprompt_pipeline.training.checkpoint import Running
from vlprompt_pipeline.training.loop import train_epoch
from vlprompt_pipeline.training.optimizers import make_optimizer

WORDS = ("cat", "dog", "house", "river", "boat", "tree", "car", "road", "bird", "stone")
COOP = {
    "method": "coop",
    "title": "CoOp",
    "prompt": {
        "length": 4,
        "init": "a photo of a",
        "class_specific": False,
        "class_position": "end",
    },
    "training": {
        "epochs": 1,
        "batch_size": 32,
        "lr": 0.02,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "warmup_epochs": 0,
        "warmup_lr": 1e-5,
    },
}
MAPLE = {
    "method": "maple",
    "title": "MaPLe",
    "prompt": {"length": 2, "init": "a photo of a", "depth": 9, "projection_bias": False},
    "training": {**COOP["training"], "batch_size": 4},
}
QUANTIZED = {
    "k-means, 1 bit": {"bits": 1},
    "k-means, 4 bits": {"bits": 4},
    "k-means, 4 bits, rows": {"bits": 4, "codebook": "row"},
    "stochastic, 4 bits": {"bits": 4, "quantizer": "stochastic"},
    "gaussian, 4 bits": {"bits": 4, "quantizer": "gaussian"},
    "again in every step": {"bits": 4, "min_interval_steps": 1, "kl_threshold": 0.0},
}


def vit_b16() -> FrozenClip:
    """The sizes of ViT-B/16 with random weights."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-16")
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.25,) * 3)
    return FrozenClip(model, ClipTokenizer(), preprocessing, "vit_b16", ClipIdentity("0" * 64))


def images(clip: FrozenClip, count: int, reads: str) -> torch.Tensor:
    """Views of as many images, `[count, 1, …]`, of what a method reads."""
    if reads == "pixels":
        return torch.randn(count, 1, 3, clip.preprocessing.size, clip.preprocessing.size)
    return F.normalize(torch.randn(count, 1, clip.embed_dim), dim=-1)


def prepare(
    recipe: Recipe, clip: FrozenClip, classes: int, shots: int
) -> tuple[Steps, CachedViews]:
    """A learner about to be trained, and its batches."""
    names = tuple(f"{WORDS[n % 10]} {WORDS[n // 10]}" for n in range(classes))
    learner = build_learner(recipe, clip, ClassTexts(names, "a photo of a {}."), seed=1).train()
    labels = torch.arange(classes).repeat_interleave(shots)
    views = images(clip, len(labels), learner.reads)
    batches = CachedViews(views, labels, recipe.training.batch_size, seed=1)
    off = torch.amp.GradScaler(enabled=False)
    running = Running(learner, make_optimizer(learner, recipe.training), off)
    return Steps(running, recorder_for(learner)), batches


def compare(
    clip: FrozenClip, host: dict, quantized: dict[str, dict], classes: int, epochs: int, shots: int
) -> None:
    """Print a row for each quantizer: milliseconds a step of host and quantized, and the ratio."""
    recipes = {"host": host} | {
        name: {"extends": "host", "quantize": settings} for name, settings in quantized.items()
    }
    sides = [prepare(resolve_recipe(name, recipes), clip, classes, shots) for name in recipes]
    taken: list[list[float]] = [[] for _ in sides]
    for epoch in range(epochs):
        for (steps, batches), seconds in zip(sides, taken, strict=True):
            started = time.process_time()
            train_epoch(steps, batches, epoch, COOP["training"]["lr"])
            seconds.append((time.process_time() - started) / batches.steps)
    count = sides[0][1].steps
    print(f"{host['title']}, {clip.name}, {classes} classes, {epochs} epochs of {count} steps")
    for name, seconds in zip(quantized, taken[1:], strict=True):
        ratio = statistics.median(b / a for a, b in zip(taken[0], seconds, strict=True))
        ours, theirs = (1e3 * statistics.median(side) for side in (seconds, taken[0]))
        print(f"  {name:22s} {theirs:8.2f} ms {ours:8.2f} ms   ratio {ratio:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    demo, large = load_clip("embedded", "demo", "cpu"), vit_b16()
    compare(demo, COOP, QUANTIZED, classes=13, epochs=20, shots=16)
    compare(large, COOP, QUANTIZED, classes=50, epochs=3, shots=4)
    one = {"k-means, 4 bits": QUANTIZED["k-means, 4 bits"]}
    compare(large, MAPLE, one, classes=16, epochs=3, shots=1)
