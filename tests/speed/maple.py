"""A MaPLe step (forward and backward) against the published way of computing it, in one process.

The published way: every class in 77 tokens, whole blocks of open_clip in both towers. The sizes
are those of ViT-B/16 with random weights, depth 9, 4 images of 224 pixels and 100 classes, single
precision, on two threads; the class names have 1 to 5 tokens, as long as those of SUN397 and
UCF101. Processor seconds are the steadier measure where the machine has other work.

Run: python tests/speed/maple.py
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import FrozenClip, Preprocessing
from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.prompts import ClassTexts, get_method
from vlprompt_pipeline.prompts.maple import MaPLe

IMAGES, CLASSES, RUNS = 4, 100, 3
WORDS = ("boat", "house", "red", "old", "garden")  # one token each


class Published(MaPLe):
    """The same losses, token by token as the official code computes them."""

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy from pixels, through whole blocks and full-length prompts."""
        prompts = self.layout.fill(torch.cat([self.context, self.words]))
        prompts = replace(prompts, deep=[deep[None] for deep in self.deep_context])
        texts = F.normalize(self.clip.text.encode_reference(prompts)[0], dim=-1)
        pictures = F.normalize(self._pictures(images), dim=-1)
        logits = self.clip.logit_scale * pictures @ texts.T
        return {"cross_entropy": F.cross_entropy(logits, labels)}

    def _pictures(self, pixels: Tensor) -> Tensor:
        visual, prompts = self.clip.model.visual, self.image_prompts()
        x = visual.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = x + visual.positional_embedding
        x = visual.ln_pre(torch.cat([x, prompts[0].expand(len(x), -1, -1)], dim=1))
        for depth, block in enumerate(visual.transformer.resblocks):
            if 0 < depth < len(prompts):
                deep = prompts[depth].expand(len(x), -1, -1)
                x = torch.cat([x[:, : -deep.shape[1]], deep], dim=1)
            x = block(x)
        return visual.ln_post(x)[:, 0] @ visual.proj


def step(learner: MaPLe, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, float, float]:
    """Loss, all gradients as one vector, seconds and processor seconds of one step."""
    learner.zero_grad()
    started, used = time.perf_counter(), time.process_time()
    loss = learner.backward(learner.losses(pixels, labels))
    seconds, used = time.perf_counter() - started, time.process_time() - used
    gradient = torch.cat([p.grad.flatten() for p in learner.parameters()])
    return loss.detach(), gradient, seconds, used


def main() -> None:
    """Print medians, their ratio, and how far the results differ."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.25,) * 3)
    model = open_clip.create_model("ViT-B-16-quickgelu")
    clip = FrozenClip(model, open_clip.SimpleTokenizer(), preprocessing, "random", "0" * 64)
    names = tuple(" ".join(WORDS[: 1 + i % 5]) for i in range(CLASSES))
    parameters = get_method("maple").parameters(length=2, init="a photo of a", depth=9)
    pixels, labels = torch.randn(IMAGES, 3, 224, 224), torch.arange(IMAGES)
    learners = [
        kind(clip, ClassTexts(names, "{}"), parameters, torch.Generator().manual_seed(0))
        for kind in (Published, MaPLe)
    ]
    print(f"{IMAGES} images, {CLASSES} classes, depth 9, {torch.get_num_threads()} threads")
    print("               seconds            processor seconds")
    print("    published    ours  ratio   published    ours  ratio")
    ratios = []
    for _ in range(RUNS):  # in turn, so that what else the machine does meets both
        published, ours = (step(learner, pixels, labels) for learner in learners)
        ratios.append([published[measure] / ours[measure] for measure in (2, 3)])
        row = [f"{published[m]:11.2f} {ours[m]:7.2f} {published[m] / ours[m]:6.1f}" for m in (2, 3)]
        print("  ".join(row), flush=True)
    medians = [statistics.median(column) for column in zip(*ratios, strict=True)]
    print("median ratio: {:.1f} of seconds, {:.1f} of processor seconds".format(*medians))
    loss = (ours[0] - published[0]).abs() / published[0]
    gradient = (ours[1] - published[1]).abs().max() / published[1].abs().max()
    print(f"relative difference of the loss {loss:.1e}, of the gradient {gradient:.1e}")


if __name__ == "__main__":
    main()
