"""ProLIP: the last linear map of the image tower is trained, and held near itself (2024).

Loss = cross-entropy + weight · sum of (Q - Q₀)², with Q the projection into the joint space.
Features before it are computed once, so that a step costs a matrix product. Details follow
astra-vision/ProLIP, methods/ProLIP.py (Fahes et al., arXiv 2410.05270); there all images of a step
have the same view number, here each its own.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.blocks import in_single
from vlprompt_pipeline.clip.timm_image import last_linear
from vlprompt_pipeline.clip.towers import describe_image_tower
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods.changed_images import ChangedImages
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters


class ProLIPParameters(TextParameters):
    """`weight` of the distance; published without validation images: 1 / shots."""

    weight: float = Field(ge=0)


class ProLIP(FixedTexts):
    """`projection` `[image width, embed]`, CLIP's own at first; texts stay as they are."""

    reads = "unprojected"
    settings: ProLIPParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if the image tower, texts or names do not fit."""
        super().build(clip, generator)
        tower, projection, bias = _without_projection(clip)
        self.images = ChangedImages(clip, "unprojected", (), partial(_encode, clip, tower))
        initial = in_single(projection.detach())
        self.register_buffer("initial", initial.clone(), persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.projection = nn.Parameter(initial.clone())

    @property
    def image_width(self) -> int:
        """Width of the image tower."""
        return len(self.initial)

    def image_side(self) -> ChangedImages:
        """Return the frozen image tower without its projection."""
        return self.images

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]` of features before the projection `[images, image width]`."""
        joint = image_features @ self.projection
        return super().logits(
            F.normalize(joint if self.bias is None else joint + self.bias, dim=-1)
        )

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, and the weighted distance of the projection from CLIP's."""
        terms = super().losses(image_features, labels)
        distance = (self.projection - self.initial).square().sum()
        return {**terms, "distance": self.settings.weight * distance}


def _encode(clip: FrozenClip, tower: nn.Module, pixels: Tensor) -> Tensor:
    """Return features `[images, image width]` before the projection, not normalised."""
    with torch.no_grad():
        features = tower(pixels.to(clip.dtype))
    return in_single(features)


def _without_projection(clip: FrozenClip) -> tuple[nn.Module, Tensor, Tensor | None]:
    """Return the image tower without its last linear map, that map `[width, embed]`, and its bias.

    Raises:
        ConfigError: the tower does not end in a linear map.
    """
    visual = clip.model.visual
    if isinstance(getattr(visual, "proj", None), Tensor):
        tower = copy.copy(visual)
        tower._parameters = {**visual._parameters, "proj": None}
        return tower, visual.proj, None
    pooling = getattr(visual, "attnpool", None)
    if isinstance(getattr(pooling, "c_proj", None), nn.Linear):  # ResNets of CLIP
        last, width = pooling.c_proj, pooling.c_proj.in_features
        identity = nn.utils.skip_init(nn.Linear, width, width)
        identity.weight.data = torch.eye(width).to(last.weight)
        identity.bias.data = torch.zeros(width).to(last.weight)
        tower = _replaced(visual, "attnpool.c_proj", identity.requires_grad_(False))
        return tower, last.weight.T, last.bias.detach()
    last = last_linear(visual) if hasattr(visual, "trunk") else None
    if last:
        path, linear = last
        bias = None if linear.bias is None else linear.bias.detach()
        return _replaced(visual, path, nn.Identity()), linear.weight.T, bias
    raise ConfigError(
        f"method: prolip trains the linear map at the end of the image tower, and that of "
        f"{clip.name} ({describe_image_tower(visual)}) has none; give a ViT or ResNet of CLIP as "
        "clip.source"
    )


def _replaced(module: nn.Module, path: str, part: nn.Module) -> nn.Module:
    """Return a view of a module with another part at a dotted path; the weights are shared."""
    # A shallow copy shares the dictionary of modules. It is replaced by a new one before it is
    # changed, so that the frozen CLIP stays whole.
    name, _, rest = path.partition(".")
    view = copy.copy(module)
    replacement = _replaced(module._modules[name], rest, part) if rest else part
    view._modules = {**module._modules, name: replacement}
    return view


register(Method("prolip", ProLIPParameters, ProLIP))
