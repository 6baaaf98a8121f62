"""Every method learns in the precisions of GPUs what it learns in single precision."""

from __future__ import annotations

import pytest

from training.learned import learned, predictions, require_near
from training.recipes import RECIPES
from vlprompt_pipeline.clip import load_clip

ROUNDING = {"fp16-amp": 0.03, "bf16": 0.1}
"""By how much of the largest one predictions may be others."""
UNSTEADY = {
    "prograd": 0.6,  # its first gradient is projected on one that is nothing but rounding
    "stochastic": 0.3,  # another draw of a code
}


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("name", RECIPES)
def test_it_predicts_as_in_single_precision(name, precision, tiny_clip_folder):
    ours, reference = (
        predictions(
            learned(name, load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cpu", precision=each))
        )
        for each in (precision, "fp32")
    )
    require_near(ours, reference, UNSTEADY.get(name, ROUNDING[precision]))
