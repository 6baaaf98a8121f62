"""Both towers block by block, for methods that change what happens inside of them.

Whole sequences pass, without the shortcuts of `TextTower` and `ImageTower`: what a method puts into
a block may touch every token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.blocks import attend, finish, project
from vlprompt_pipeline.clip.text import Prompts, TextTower
from vlprompt_pipeline.clip.towers import IMAGE_ATTENTION, TEXT_ATTENTION
from vlprompt_pipeline.errors import ConfigError

Step = Callable[[int, nn.Module, Tensor, Tensor | None], Tensor]
"""What happens at a block: (its number, the block, tokens, mask) to the tokens behind it."""


def require_plain_towers(clip: FrozenClip) -> None:
    """Refuse a CLIP whose towers are not those of OpenAI's ViT.

    Raises:
        ConfigError: naming the tower that is another.
    """
    clip.require(IMAGE_ATTENTION, TEXT_ATTENTION)
    image = clip.image
    if not isinstance(clip.text, TextTower) or not getattr(image, "_read_first", False):
        raise ConfigError(
            f"method: it changes blocks of both towers, which must be those of OpenAI's ViT, but "
            f"{clip.name} has others; give a ViT of CLIP as clip.source, or a method that works on "
            "features, such as gda or clap"
        )


def run_block(block: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
    """Return tokens `[…, tokens, width]` behind a block, or behind what stands for one."""
    return finish(block, x, attend(*project(block, x), mask))


def causal(tokens: int, like: Tensor) -> Tensor:
    """Return the additive mask of so many tokens."""
    return torch.full((tokens, tokens), -torch.inf, device=like.device, dtype=like.dtype).triu(1)


def walk_text(clip: FrozenClip, prompts: Prompts, step: Step, inserted: int = 0) -> Tensor:
    """Return raw text features `[classes, embed]`, in float32 or better.

    Args:
        clip: whose text tower is walked.
        prompts: of one group.
        step: what happens at each block.
        inserted: how many tokens the steps put in front of the class name.
    """
    tower = clip.text
    prompts = prompts.to(tower.dtype)
    longest = int(prompts.lengths.max())
    prefix = prompts.prefix.expand(len(prompts.suffix), -1, -1)
    x = torch.cat([prefix, prompts.suffix[:, :longest]], dim=1)
    x = x + tower.positions[: x.shape[1]]
    for depth, block in enumerate(tower.blocks):
        x = step(depth, block, x, causal(x.shape[1], x))
    ends = prefix.shape[1] + inserted + prompts.lengths.to(x.device) - 1
    read = x[torch.arange(len(x), device=x.device), ends]
    return _single(tower.ln_final(read) @ tower.projection)


def walk_images(clip: FrozenClip, pixels: Tensor, step: Step) -> Tensor:
    """Return all tokens `[images, tokens, width]` behind the last block, the class token first."""
    visual = clip.image.visual
    x = visual.conv1(pixels.to(visual.conv1.weight)).flatten(2).transpose(1, 2)
    start = visual.class_embedding.to(x.dtype).expand(len(x), 1, -1)
    x = torch.cat([start, x], dim=1) + visual.positional_embedding.to(x.dtype)
    x = visual.ln_pre(x)
    for depth, block in enumerate(clip.image.blocks):
        x = step(depth, block, x, None)
    return x


def class_token_features(clip: FrozenClip, tokens: Tensor) -> Tensor:
    """Return normalised features `[images, embed]` of what `walk_images` gives."""
    visual = clip.image.visual
    return F.normalize(_single(visual.ln_post(tokens[:, 0]) @ visual.proj), dim=-1)


def _single(features: Tensor) -> Tensor:
    return features.to(torch.promote_types(features.dtype, torch.float32))


@dataclass(frozen=True)
class ChangedImages:
    """An image tower with a method's own tensors in it: encodes as `FrozenClip` does.

    Attributes:
        clip: the frozen CLIP.
        settings: what else decides how tensors act.
        tensors: the method's.
        encode: from pixels to features.
    """

    clip: FrozenClip
    settings: str
    tensors: Sequence[Tensor]
    encode: Callable[[Tensor], Tensor]

    @property
    def name(self) -> str:
        """What the CLIP is called."""
        return self.clip.name

    @property
    def identity_sha256(self) -> str:
        """Hash of all that turns pixels into features."""
        digest = hashlib.sha256(f"{self.clip.identity_sha256} {self.settings}".encode())
        for tensor in self.tensors:
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Features of pixels `[images, 3, size, size]`, each part normalised."""
        return self.encode(pixels.to(self.clip.device))
