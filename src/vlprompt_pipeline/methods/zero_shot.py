"""Zero-shot CLIP: hand-written templates, nothing to train (Radford et al., 2021)."""

from __future__ import annotations

from torch import Generator, Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import ClassTexts, PromptLearner
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import TextParameters, text_features


class ZeroShotParameters(TextParameters):
    """Templates, and descriptions (CuPL) where there are any."""


class ZeroShot(PromptLearner):
    """Class features are the renormalised mean of each text's normalised feature."""

    contexts = ()

    def __init__(
        self,
        clip: FrozenClip,
        classes: ClassTexts,
        parameters: ZeroShotParameters,
        generator: Generator,
    ) -> None:
        """Raise ConfigError for an unknown template set, DataError for a name too long."""
        super().__init__(clip, classes)
        features = text_features(clip, classes, parameters)
        self.register_buffer("features", features, persistent=False)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        return self.features


register(Method(name="zero_shot", parameters=ZeroShotParameters, learner=ZeroShot))
