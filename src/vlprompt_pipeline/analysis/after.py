"""The host's trained prompts, quantized after training: what quantization while training is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vlprompt_pipeline.analysis.config import AnalysisParameters
from vlprompt_pipeline.analysis.material import Material
from vlprompt_pipeline.analysis.plan import Plan
from vlprompt_pipeline.analysis.runs import Result, Run
from vlprompt_pipeline.analysis.tables import score_row
from vlprompt_pipeline.analysis.train import score_packed
from vlprompt_pipeline.methods import build_learner, quantize_after
from vlprompt_pipeline.parametrizations import QuantizeConfig


def post_training(
    plan: Plan, results: Mapping[Run, Result], material: Material, analysis: AnalysisParameters
) -> pd.DataFrame:
    """Make one row a (quantizer, bits, seed): accuracy and sizes of the packed prompt."""
    rows: list[dict[str, Any]] = []
    for quantizer in analysis.quantizers:
        if quantizer == "gaussian":  # noise in training, there is nothing to do afterwards
            continue
        for bits in analysis.bits:
            config = QuantizeConfig(quantizer=quantizer, bits=bits, post_training=True)
            recipe = plan.plain.model_copy(update={"quantize": config})
            for seed in plan.seeds:
                base = material.classes["base"]
                learner = build_learner(plan.plain, material.clip, base, seed)
                learner.load_state_dict(results[Run.of(plan.plain, seed)].state)
                quantize_after(learner, config, seed)
                scores = score_row(score_packed(learner, recipe, material))
                rows.append({"quantizer": quantizer, "bits": bits, "seed": seed, **scores})
    return pd.DataFrame(rows).assign(training="PTQ")
