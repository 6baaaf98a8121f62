"""Zero-shot CLIP and its template ensembles."""

from __future__ import annotations

import pytest
import torch

from parity import TOLERANCE, assert_close, load_case, parity_clip
from vlprompt_pipeline.clip.templates import TEMPLATE_SETS, templates
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.texts import TextParameters
from vlprompt_pipeline.methods.zero_shot import ZeroShot


def _logits(clip, case, template_set: str, own: str) -> torch.Tensor:
    classes = ClassTexts(tuple(case.about["class_names"]), own)
    learner = ZeroShot(clip, classes, TextParameters(templates=template_set), torch.Generator())
    return learner.logits(clip.encode_images(case("images")))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_ensemble_and_single_templates_equal_the_official_ones(precision, monkeypatch):
    case, clip = load_case("zeroshot-3-templates"), parity_clip(precision)
    used = case.about["settings"]["templates"]
    monkeypatch.setitem(TEMPLATE_SETS, "three", tuple(used))
    golden = case(f"{precision}/logits_ensemble")
    assert_close(_logits(clip, case, "three", "{}"), golden, TOLERANCE[precision])
    for number, template in enumerate(used):
        golden = case(f"{precision}/logits_per_template")[number]
        assert_close(_logits(clip, case, "benchmark", template), golden, TOLERANCE[precision])


def test_sets_by_name():
    assert templates("benchmark", "{} texture.") == ("{} texture.",)
    assert len(templates("imagenet_select", "x")) == 7
    assert templates("imagenet_select+benchmark", "{} texture.")[-1] == "{} texture."
    assert templates("a texture of {}.", "{} texture.") == ("a texture of {}.",)
    with pytest.raises(ConfigError, match="unknown set 'custom'; allowed: benchmark, imagenet_sel"):
        templates("custom", "x")


@pytest.mark.parametrize("template", ["a {} or {}.", "a {name}.", "a }{."])
def test_a_template_has_one_place_for_the_name(template):
    with pytest.raises(ValueError, match="a template has {} once"):
        TextParameters(templates=template)


def test_underscores_are_spaces(tiny_clip):
    def features(name: str) -> torch.Tensor:
        parameters = TextParameters(templates="photo")
        return ZeroShot(tiny_clip, ClassTexts((name,), "{}"), parameters, None).class_features()

    assert torch.equal(features("ice_skating_rink"), features("ice skating rink"))
