"""Make the two graphs that ship: pixels to logits of the labels, token ids to text features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip import TextTower
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.methods import PromptLearner
from vlprompt_pipeline.methods.coop import CoOp
from vlprompt_pipeline.methods.zero_shot import ZeroShot


class ImageGraph(nn.Module):
    """Pixels `[images, 3, height, width]` to `logits [images, labels]` and `image_embeds`.

    The image side of the learner, prompts in its image tower included, and behind it whatever the
    method makes of image features; the text features of the labels are constants.
    """

    def __init__(self, learner: PromptLearner) -> None:
        """Raise UserError if the logits need more than constants from the text tower."""
        super().__init__()
        self.towers = learner.clip.model  # registered, so that the exporter finds the weights
        self.learner = learner
        self.side = learner.image_side()
        self.constants = _constants(learner)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, whose softmax are the scores, and normalised image features."""
        features = self.side.encode_images(pixel_values)
        with _replaced(self.learner, self.constants):
            return self.learner.logits(features), features


class TextGraph(nn.Module):
    """Token ids `[classes, tokens]` to normalised text features `[classes, embed]`.

    The ids are those of the text that varies with the class, end token included, padded with the
    tokenizer's own padding. In front of them stand the start token and the trained context, if
    there is one.
    """

    def __init__(self, learner: PromptLearner) -> None:
        """Take a learner that has open classes, see `has_open_classes`."""
        super().__init__()
        clip = learner.clip
        self.towers = clip.model  # registered, so that the exporter finds the weights
        self.clip = clip
        start = clip.embed(clip.tokenizer.start)
        context = learner.context.detach() if isinstance(learner, CoOp) else start[:0]
        self.register_buffer("prefix", torch.cat([start, context.to(start)])[None])
        self.tokens = clip.context_length - self.prefix.shape[1]

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return normalised features, computed over every token as open_clip does."""
        tower = self.clip.text
        words = getattr(self.towers, "text", self.towers).token_embedding(input_ids)
        x = torch.cat([self.prefix.expand(words.shape[0], -1, -1), words], dim=1)
        x = x + tower.positions
        for block in tower.blocks:
            x = block(x, attn_mask=tower.mask)
        # the first end token, since some tokenizers pad with it
        end = (input_ids == self.clip.tokenizer.end).int().argmax(-1) + self.prefix.shape[1]
        ends = x.gather(1, end[:, None, None].expand(-1, 1, x.shape[-1]))[:, 0]
        return F.normalize(tower.read(ends), dim=-1)


def has_open_classes(learner: PromptLearner) -> bool:
    """Tell whether `TextGraph` can be made: any class name may be put behind one shared context."""
    if not isinstance(learner.clip.text, TextTower):
        return False  # towers over whole sequences are not exported
    if isinstance(learner, CoOp):
        plain = type(learner).class_features is CoOp.class_features
        return plain and learner.layout.shared == len(learner.context) and learner.context.ndim == 2
    return isinstance(learner, ZeroShot)


@torch.no_grad()
def _constants(learner: PromptLearner) -> dict[str, Any]:
    """Return the results of a learner's `constants`, for its labels, by their names.

    Whether a method can live with constants is tried, not looked up: the text tower is watched
    while it scores a feature, so that a new method needs no entry here.
    """
    width, device = learner.image_width, learner.clip.device
    feature = F.normalize(torch.ones(1, width, device=device), dim=-1)
    results = {
        name: getattr(learner, name)()
        for name in learner.constants
        if getattr(type(learner), name) is not PromptLearner.class_features  # probes have none
    }
    watch = learner.clip.text.register_forward_pre_hook(_refuse_text_tower)
    try:
        with _replaced(learner, results):
            learner.logits(feature)
    finally:
        watch.remove()
    sampled = learner.sampled(feature)
    if sampled is not None and sampled.prediction == "sampled":
        raise UserError(
            "this method averages the predictions of sampled prompts, which one graph cannot: "
            "export the method with prediction: mean, or another one"
        )
    return results


@contextmanager
def _replaced(learner: PromptLearner, results: Mapping[str, Any]) -> Iterator[None]:
    """Have methods of a learner return what they returned before."""
    for name, result in results.items():
        setattr(learner, name, lambda result=result: result)
    try:
        yield
    finally:
        for name in results:
            delattr(learner, name)


def _refuse_text_tower(tower: nn.Module, inputs: object) -> None:
    raise UserError(
        "this method makes text features anew for each image, which would put the text tower "
        "behind every image: export a method whose prompt does not depend on the image"
    )
