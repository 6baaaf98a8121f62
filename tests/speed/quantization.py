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

from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.clip.backbone import Preprocessing
from vlprompt_pipeline.prompts import ClassTexts, Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.training import CachedViews
from vlprompt_pipeline.training.loop import _epoch

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
    return FrozenClip(model, open_clip.SimpleTokenizer(), preprocessing, "vit_b16", "0" * 64)


def recipe(**quantize: object) -> Recipe:
    """CoOp with a quantizer, or without."""
    return resolve_recipe(
        "coop", {"coop": {**COOP, **({"quantize": quantize} if quantize else {})}}
    )


def compare(clip: FrozenClip, classes: int, epochs: int, shots: int) -> None:
    """Print a row for each quantizer: milliseconds a step of host and quantized, and the ratio."""
    names = tuple(f"{WORDS[n % 10]} {WORDS[n // 10]}" for n in range(classes))
    texts = ClassTexts(names, "a photo of a {}.")
    features = F.normalize(torch.randn(classes * shots, 4, clip.embed_dim), dim=-1)
    labels = torch.arange(classes).repeat_interleave(shots)
    batches = CachedViews(features, labels, 32, seed=1)
    sides = []
    for settings in ({}, *QUANTIZED.values()):
        learner = build_learner(recipe(**settings), clip, texts, seed=1).train()
        sides.append((learner, torch.optim.SGD(learner.parameters(), lr=0.02), []))
    for epoch in range(epochs):
        for learner, optimizer, seconds in sides:
            started = time.process_time()
            _epoch(learner, batches, optimizer, epoch)
            seconds.append((time.process_time() - started) / batches.steps)
    (_, _, host), *others = sides
    print(f"{clip.name}, {classes} classes, {epochs} epochs of {batches.steps} steps")
    for name, (_, _, seconds) in zip(QUANTIZED, others, strict=True):
        ratio = statistics.median(b / a for a, b in zip(host, seconds, strict=True))
        ours, theirs = (1e3 * statistics.median(side) for side in (seconds, host))
        print(f"  {name:22s} {theirs:8.2f} ms {ours:8.2f} ms   ratio {ratio:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare(load_clip("embedded", "demo", "cpu"), classes=13, epochs=20, shots=16)
    compare(vit_b16(), classes=50, epochs=3, shots=4)
