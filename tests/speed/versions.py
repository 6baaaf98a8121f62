"""The causal text path and the image tower of this version against another's, in one process.

Run: git archive <commit> src | tar -x -C <folder>; python tests/speed/versions.py <folder> [rounds]

Both versions load the embedded CLIP. A pass forward and backward through each tower alternates on
one thread; medians of processor seconds and their ratio, and the largest relative difference of
features and gradients.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

PACKAGE = "vlprompt_pipeline"
HERE = Path(__file__).resolve().parents[2]
CLASSES, CONTEXT, IMAGES = 100, 4, 16
START = 49406  # CLIP's start token
Pass = Callable[[], tuple[Tensor, Tensor]]


def load(root: Path):
    """The embedded CLIP by the package in `root`/src; other versions stay as they were imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, str(root / "src"))
    try:
        from vlprompt_pipeline.clip import Prompts, load_clip

        return load_clip("embedded"), Prompts
    finally:
        sys.path.pop(0)


def passes(clip, prompts_class) -> dict[str, Pass]:
    """Forward and backward: features and the gradient of what is trained."""
    generator = torch.Generator().manual_seed(0)
    width = clip.text_width
    suffix = torch.randn(CLASSES, 6, width, generator=generator)
    lengths = torch.randint(3, 7, (CLASSES,), generator=generator)
    context = torch.randn(CONTEXT, width, generator=generator)
    size = clip.model.visual.image_size
    pixels = torch.randn(IMAGES, 3, *size, generator=generator)

    def text() -> tuple[Tensor, Tensor]:
        trained = context.clone().requires_grad_()
        prefix = torch.cat([clip.embed([START]), trained])[None]
        features = clip.text(prompts_class(prefix, suffix, lengths))
        features.square().sum().backward()
        return features.detach(), trained.grad

    def image() -> tuple[Tensor, Tensor]:
        trained = torch.ones(2, clip.image.width).requires_grad_()
        features = clip.image(pixels, [trained])
        features.square().sum().backward()
        return features.detach(), trained.grad

    return {"text tower": text, "image tower": image}


def main(other: Path, rounds: int) -> None:
    """Print a line for each tower."""
    torch.set_num_threads(1)
    both = [passes(*load(root)) for root in (other, HERE)]
    for name in both[0]:
        seconds: tuple[list[float], list[float]] = ([], [])
        outputs = [each[name]() for each in both]
        for _ in range(rounds):
            for spent, each in zip(seconds, both, strict=True):
                begun = time.process_time()
                each[name]()
                spent.append(time.process_time() - begun)
        then, now = map(statistics.median, seconds)
        apart = max(
            ((a - b).abs().max() / a.abs().max()).item() for a, b in zip(*outputs, strict=True)
        )
        print(f"{name:12} {then * 1e3:7.2f} → {now * 1e3:7.2f} ms, {now / then:.3f}, {apart:.0e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
