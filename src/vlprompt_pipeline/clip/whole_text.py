"""The text tower over whole sequences: for towers whose tokens see what stands behind them.

SigLIP, MobileCLIP-S and CLIPA attend in both directions, to the padding too, and some are read at
the last place. There no token may be left out, and nothing is the same for two classes: every
prompt passes the blocks at its full length. Blocks with options that the causal path does not
compute (`qk_norm`, `scale_heads` and their like) pass here as open_clip's own modules.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlprompt_pipeline.clip.blocks import attend, finish, is_plain, project, project_some
from vlprompt_pipeline.clip.picking import gathered
from vlprompt_pipeline.clip.text_base import Prompts, TextTowerBase, replace_tokens, slices


class WholeTextTower(TextTowerBase):
    """Frozen text transformer whose prompts are computed at the full length of its context.

    The interface is that of `TextTower`.
    """

    def __init__(self, model: nn.Module, start_tokens: int, pad: int) -> None:
        """Take a model of open_clip; `start_tokens` stand before a prompt, `pad` fills its end."""
        super().__init__(model, start_tokens)
        self.pool_type = pool_type(model)
        embedding = getattr(model, "text", model).token_embedding.weight
        self._padding = embedding[pad].detach().clone()

    def forward(self, prompts: Prompts) -> Tensor:
        """Return text features `[groups, classes, embed]`, not normalised, in float32 or better."""
        prompts = prompts.to(self.dtype)
        groups, classes = len(prompts.prefix), len(prompts.suffix)
        length, room = self._length(prompts), self._room()
        features = []
        for group in range(groups):
            for some in slices(classes, self.at_once // length):
                need = self._kept((some.stop - some.start) * length)
                features.append(room.run(self._whole, need, prompts.some(group, some)))
        return torch.cat(features).unflatten(0, (groups, classes))

    def _length(self, prompts: Prompts) -> int:
        return len(self.positions)

    def _replaced_at(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        return self._whole(prompts, {layer: tokens})

    def _whole(self, prompts: Prompts, replaced: dict[int, Tensor] | None = None) -> Tensor:
        """Return features `[classes, embed]` of one group.

        `replaced` has, by block, tokens `[classes, n, width]` for the first places of the context.
        """
        replaced = replaced or {
            depth: deep.expand(len(prompts.suffix), -1, -1)
            for depth, deep in enumerate(prompts.deep, start=1)
        }
        x, end = self.sequences(prompts)
        positions = self.read_positions(end)
        mask = None if self.mask is None else self.mask.to(x)
        for depth, block in enumerate(self.blocks):
            if depth in replaced:
                x = replace_tokens(x, replaced[depth], self.start_tokens)
            if not is_plain(block):
                x = block(x, attn_mask=mask)
            elif depth < len(self.blocks) - 1:
                x = finish(block, x, attend(block, *project(block, x), mask))
            else:  # of the last block only what the place that is read asks for
                q, pairs, x = project_some(block, x, lambda tokens: gathered(tokens, positions))
                rows = None if mask is None else mask[positions][:, None]
                return self.read(finish(block, x, attend(block, q, pairs, rows))[:, 0])
        return self.read(gathered(x, positions)[:, 0])

    def sequences(self, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Return prompts `[classes, context, width]` with positions, and where each ends."""
        classes, length, width = prompts.suffix.shape
        shared, context = prompts.prefix.shape[1], len(self.positions)
        device = prompts.suffix.device
        padding = self._padding.to(prompts.suffix)
        lengths = prompts.lengths.on(device)
        inside = torch.arange(length, device=device) < lengths[:, None]
        suffix = torch.where(inside[..., None], prompts.suffix, padding)
        rest = context - shared - length
        parts = [prompts.prefix.expand(classes, -1, -1), suffix[:, : context - shared]]
        if rest > 0:
            parts.append(padding.expand(classes, rest, width))
        return torch.cat(parts, dim=1) + self.positions, shared + lengths - 1

    def read_positions(self, end: Tensor) -> Tensor:
        """Return the place of each class that is read, `[classes, 1]`."""
        if self.pool_type == "first":
            return torch.zeros_like(end)[:, None]
        if self.pool_type == "last":
            return torch.full_like(end, len(self.positions) - 1)[:, None]
        return end[:, None]


def pool_type(model: nn.Module) -> str:
    """Say which token the text tower of an open_clip model is read at."""
    return model.text.pool_type if hasattr(model, "text") else model.text_pool_type
