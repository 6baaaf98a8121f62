"""What is trained for which part, and what is refused."""

from __future__ import annotations

import pytest

from analysis.material import RECIPES, VALUES, analysis
from vlprompt_pipeline.analysis import AnalysisParameters, check_analysis, make_plan
from vlprompt_pipeline.analysis.runs import Run
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import parse


def test_every_run_once():
    plan = make_plan(analysis(), RECIPES, first_seed=5)
    assert plan.seeds == (5, 6)
    # plain, noise, two of k-means, RLP; stochastic and noise twice; two ablations; two methods;
    # GDA, and two heads in full and at two numbers of bits
    assert len(plan.runs()) == 2 * (1 + 1 + 2 + 1 + 4 + 2 + 2 + 1 + 3 + 3)
    followed = [run for run, is_followed in plan.runs().items() if is_followed]
    assert len(followed) == 2 * (1 + 1 + 2 + 1)


def test_the_last_stage_of_the_ablation_is_the_recipe():
    plan = make_plan(analysis(), RECIPES, 1)
    assert Run.of(plan.ablation[2].recipe, 1) == Run.of(plan.quantization[1].recipe, 1)
    assert not plan.ablation[0].recipe.quantize.normalise


def test_a_quantized_host_is_looked_into_without_its_quantizer():
    plan = make_plan(analysis(method="qcoop"), RECIPES, 1)
    assert plan.plain.quantize is None
    assert plan.noise[0].recipe == plan.plain


@pytest.mark.parametrize(
    ("changes", "protocol", "sentence"),
    [
        ({}, "few_shot", "protocol is few_shot: the analysis compares base with new classes"),
        ({"method": "cop"}, "base_to_new", "unknown recipe 'cop' .did you mean 'coop'"),
        ({"spectrum": ("zero_shot",)}, "base_to_new", "zero_shot learns no text prompt"),
        ({"method": "maple"}, "base_to_new", "maple learns no text prompt from image features"),
        ({"method": "clip_adapter"}, "base_to_new", "clip_adapter learns no text prompt"),
        ({"spectrum": ("clip_adapter",)}, "base_to_new", "clip_adapter learns no text prompt"),
        ({"method": "rp_coop"}, "base_to_new", "rp_coop has 4 bits a number by itself"),
        ({"heads": ("rp_coop",)}, "base_to_new", "rp_coop has 4 bits a number by itself"),
    ],
)
def test_what_cannot_be_analysed(changes, protocol, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_analysis(analysis(**changes), RECIPES, protocol)


@pytest.mark.parametrize("part", ["spectrum", "bits", "quantizers", "heads", "head_bits"])
def test_a_part_without_anything_to_draw_is_refused_before_the_training(part):
    with pytest.raises(ConfigError, match=f"analysis.{part} .*at least 1 item"):
        parse(AnalysisParameters, {**VALUES, part: []}, "analysis")


@pytest.mark.parametrize("part", ["storage", "spectrum", "heads"])
def test_two_recipes_of_one_title_are_refused_instead_of_averaged(part):
    host = "gda" if part == "heads" else "coop"
    recipes = {**RECIPES, "mine": {"extends": host, "title": RECIPES[host]["title"]}}
    with pytest.raises(ConfigError, match=f"{host} and mine are both called .* another title"):
        check_analysis(analysis(**{part: (host, "mine")}), recipes, "base_to_new")


def test_lists_on_the_command_line_are_joined_by_plus():
    values = {**VALUES, "bits": "1+4", "noise": 0.5, "storage": "coop"}
    parsed = parse(AnalysisParameters, values, "analysis")
    assert parsed.bits == (1, 4)
    assert parsed.noise == (0.5,)
    assert parsed.storage == ("coop",)
    with pytest.raises(ConfigError, match="analysis.quantizers.0 is 'kmean'"):
        parse(AnalysisParameters, {**VALUES, "quantizers": "kmean"}, "analysis")
    with pytest.raises(ConfigError, match=r"analysis.bits .*: 2 is listed twice"):
        parse(AnalysisParameters, {**VALUES, "bits": "2+1+2"}, "analysis")
