"""What classifying one image costs, against zero-shot CLIP.

Multiplications and additions of matrix products, convolutions and attention, counted while they
are done; sums and activations are left out, as usual. What does not depend on the image, such as
the class features of most methods, is computed once for all images and costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.methods import PromptLearner


@torch.no_grad()
def inference_cost(learner: PromptLearner) -> float:
    """Return the operations of one image as a multiple of those of zero-shot CLIP."""
    clip, classes = learner.clip, len(learner.classes.names)
    tower = prompted_tower = image_operations(clip, clip.model.encode_image)
    if learner.reads == "pixels":  # what the prompts add: with them the last block is cut short
        prompted_tower += image_operations(clip, learner.image_side().encode_images)
        prompted_tower -= image_operations(clip, clip.image)
    elif learner.reads == "unprojected":
        prompted_tower = image_operations(clip, learner.image_side().encode_images)
    images = F.normalize(torch.ones(2, learner.image_width, device=clip.device), dim=-1)
    learner.logits(images)  # what some compute once for all images is there from now on
    two, one = (operations(lambda n=n: learner.logits(images[:n])) for n in (2, 1))
    return (prompted_tower + two - one) / (tower + 2 * clip.embed_dim * classes)


def image_operations(clip: FrozenClip, encode: Callable[[Tensor], Tensor]) -> int:
    """Return operations of an image tower on one image."""
    height, width = clip.preprocessing.height_width
    pixels = torch.zeros(1, 3, height, width, device=clip.device, dtype=clip.dtype)
    return operations(lambda: encode(pixels))


def operations(work: Callable[[], object]) -> int:
    """Return multiplications and additions that `work` does."""
    with FlopCounterMode(display=False, custom_mapping=_UNKNOWN_TO_PYTORCH) as count:
        work()
    return count.get_total_flops()


def _attention(query, key, value, *args: object, out_shape=None, **kwargs: object) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_layer(query, *args: object, out_shape=None, **kwargs: object) -> int:
    """Count the products of self-attention on `[images, tokens, width]`, projections included.

    The fused layer is counted as it is. Switching it off, for the counter to see its products, is
    a switch of the whole process: other threads would compute their features in another way.
    """
    images, tokens, width = query
    projections = 4 * images * tokens * width * width
    return 2 * (projections + 2 * images * tokens * tokens * width)


_UNKNOWN_TO_PYTORCH = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._native_multi_head_attention: _attention_layer,
}
