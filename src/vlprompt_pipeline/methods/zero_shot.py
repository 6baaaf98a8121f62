"""Zero-shot CLIP: hand-written templates, nothing to train (Radford et al., 2021)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import readable, templates
from vlprompt_pipeline.methods.base import ClassTexts, PromptLearner
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.parsing import Parameters


class ZeroShotParameters(Parameters):
    """`templates` is the name of a set in `clip/templates.py`."""

    templates: str


class ZeroShot(PromptLearner):
    """Class features are the renormalised mean of each template's normalised text feature."""

    contexts = ()

    def __init__(
        self,
        clip: FrozenClip,
        classes: ClassTexts,
        parameters: ZeroShotParameters,
        generator: Generator,
    ) -> None:
        """Raises ConfigError for an unknown template set, DataError for a name too long."""
        super().__init__(clip, classes)
        features = template_features(clip, classes, parameters.templates)
        self.register_buffer("features", features, persistent=False)

    def class_features(self) -> Tensor:
        """Normalised text feature of each class, `[classes, embed]`."""
        return self.features


def template_features(clip: FrozenClip, classes: ClassTexts, template_set: str) -> Tensor:
    """Renormalised mean of each template's normalised text feature, `[classes, embed]`.

    Raises:
        ConfigError: no set of that name.
        DataError: a class name is too long.
    """
    names = [readable(name) for name in classes.names]
    chosen = templates(template_set, classes.template)
    clip.warn_unseen([template.format(name) for template in chosen for name in names])
    features = [clip.encode_texts([t.format(name) for name in names]) for t in chosen]
    return F.normalize(torch.stack(features).mean(0), dim=-1)


register(Method(name="zero_shot", parameters=ZeroShotParameters, learner=ZeroShot))
