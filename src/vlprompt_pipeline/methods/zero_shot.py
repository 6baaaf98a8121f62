"""Zero-shot CLIP: hand-written templates, nothing to train (Radford et al., 2021)."""

from __future__ import annotations

from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters


class ZeroShot(FixedTexts):
    """Class features are the renormalised mean of each text's normalised feature."""

    trained = False


register(Method("zero_shot", TextParameters, ZeroShot))
