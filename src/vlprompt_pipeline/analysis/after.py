"""The host's trained prompts, quantized after training: what quantization while training is for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

from vlprompt_pipeline.analysis.config import AnalysisParameters
from vlprompt_pipeline.analysis.material import Material
from vlprompt_pipeline.analysis.plan import Plan
from vlprompt_pipeline.analysis.runs import Results, Run
from vlprompt_pipeline.analysis.tables import score_row
from vlprompt_pipeline.analysis.train import score_packed
from vlprompt_pipeline.methods import quantize_after, restore_learner
from vlprompt_pipeline.parametrizations import QuantizeConfig


def post_training(
    plan: Plan, results: Results, material: Material, analysis: AnalysisParameters
) -> pd.DataFrame:
    """Make one row a (quantizer, bits, seed): accuracy and sizes of the packed prompt.

    The quantizers and bits are those that are compared, and those of the ablation.
    """
    rows: list[dict[str, Any]] = []
    compared = [*product(analysis.quantizers, analysis.bits), ("kmeans", analysis.ablation_bits)]
    for quantizer, bits in dict.fromkeys(compared):
        if quantizer == "gaussian":  # noise in training, there is nothing to do afterwards
            continue
        config = QuantizeConfig(quantizer=quantizer, bits=bits, post_training=True)
        for seed in plan.seeds:
            scores = score_quantized(Run.of(plan.plain, seed), config, results, material)
            rows.append({"quantizer": quantizer, "bits": bits, "seed": seed} | score_row(scores))
    return pd.DataFrame(rows).assign(training="PTQ")


def score_quantized(
    run: Run, config: QuantizeConfig, results: Results, material: Material
) -> dict[str, int]:
    """Score the packed file of what a run learned without quantization, quantized afterwards."""
    state, classes = results[run].state, material.classes["base"]
    learner = restore_learner(run.recipe, material.clip, classes, state)
    quantize_after(learner, config, run.seed)
    return score_packed(learner, run.recipe.model_copy(update={"quantize": config}), material)
