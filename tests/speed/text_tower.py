"""A CoOp text step (forward and backward) against 77 tokens for every class, in one process.

The sizes are those of ViT-B/16 with random weights, single precision, on two threads; the class
names are drawn with 1 to 5 tokens, as long as those of SUN397 and UCF101.

Run: python tests/speed/text_tower.py
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import Prompts, TextTower
from vlprompt_pipeline.clip._open_clip import open_clip

IMAGES, RUNS = 32, 3


def step(encode, context: Tensor, start: Tensor, suffix: Tensor, lengths: Tensor, images: Tensor):
    """Loss and gradient of one step from cached image features, and its seconds."""
    context = context.clone().requires_grad_()
    started = time.perf_counter()
    prompts = Prompts(torch.cat([start, context])[None], suffix, lengths)
    logits = 100 * images @ F.normalize(encode(prompts)[0], dim=-1).T
    loss = F.cross_entropy(logits, torch.arange(IMAGES) % len(suffix))
    (gradient,) = torch.autograd.grad(loss, context)
    return loss.detach(), gradient, time.perf_counter() - started


def main() -> None:
    """Print a row for each number of classes and context vectors."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    tower = TextTower(open_clip.create_model("ViT-B-16").eval().requires_grad_(False))
    width = tower.positions.shape[1]
    print("classes   M  reference [s]  ours [s]  ratio  loss difference  gradient difference")
    for classes in (50, 100):
        for length in (4, 16):
            lengths = torch.randint(3, 8, (classes,))  # name, full stop, end token
            tensors = (
                0.02 * torch.randn(length, width),
                0.02 * torch.randn(1, width),
                0.02 * torch.randn(classes, int(lengths.max()), width),
                lengths,
                F.normalize(torch.randn(IMAGES, 512), dim=-1),
            )
            slow = [step(tower.encode_reference, *tensors) for _ in range(RUNS)]
            fast = [step(tower, *tensors) for _ in range(RUNS)]
            seconds = [statistics.median(row[2] for row in rows) for rows in (slow, fast)]
            (loss, gradient, _), (our_loss, our_gradient, _) = slow[0], fast[0]
            relative = (our_gradient - gradient).abs().max() / gradient.abs().max()
            print(
                f"{classes:7d} {length:3d} {seconds[0]:14.2f} {seconds[1]:9.2f} "
                f"{seconds[0] / seconds[1]:6.1f} {(our_loss - loss).abs().item():16.1e} "
                f"{relative.item():20.1e}"
            )


if __name__ == "__main__":
    main()
