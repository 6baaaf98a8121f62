"""Every method on CLIPs of other widths: nothing is written down that a model can tell."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import yaml
from torch.nn import functional as F

from conftest import ROOT
from vlprompt_pipeline.clip import ClipIdentity, FrozenClip, Preprocessing
from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer
from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    build_learner,
    get_method,
    resolve_recipe,
)
from vlprompt_pipeline.pipelines.prompt_training.nodes import check_prompts

RECIPES = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())["recipes"]
CLASSES = ClassTexts(("cat", "dog"), "a photo of a {}.")
WIDTHS = {  # text, joint space, image
    "ViT-B-32": (512, 512, 768),
    "ViT-L-14": (768, 768, 1024),
    "RN50": (512, 1024, None),
}
TEXT_LAYERS, IMAGE_LAYERS = 3, 4  # enough for every recipe, and quick
PIXELS = {
    name
    for name in RECIPES
    if get_method(resolve_recipe(name, RECIPES).method).learner.reads == "pixels"
}


@pytest.fixture(scope="module", params=WIDTHS)
def clip(request) -> FrozenClip:
    """A CLIP with the widths of a published one, few layers and random weights."""
    config = copy.deepcopy(open_clip.get_model_config(request.param))
    config["text_cfg"]["layers"] = TEXT_LAYERS
    layers = config["vision_cfg"]["layers"]
    config["vision_cfg"]["layers"] = IMAGE_LAYERS if isinstance(layers, int) else [1, 1, 1, 1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**config)
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.25,) * 3)
    return FrozenClip(model, ClipTokenizer(), preprocessing, request.param, ClipIdentity("0" * 64))


def test_widths_are_those_of_the_model(clip):
    text, joint, _ = WIDTHS[clip.name]
    assert (clip.text_width, clip.embed_dim) == (text, joint)


def test_what_does_not_fit_is_told_by_the_check_that_stands_before_all_long_work(clip):
    """It needs no image; with RN50 every method in the image tower is refused by its name."""
    card = {"class_names": CLASSES.names, "template": CLASSES.template}
    check = partial(check_prompts, clip, card, RECIPES, "few_shot", 0.5, ExportParameters())
    texts = tuple(name for name in RECIPES if name not in PIXELS)
    assert set(check(methods=texts)) == set(texts)
    for name in sorted(PIXELS):
        if WIDTHS[clip.name][2] is None:
            with pytest.raises(ConfigError, match=f"^recipes.{name}.method: .* but RN50 has"):
                check(methods=(name,))
        else:
            assert check(methods=(name,))[name] > 0


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_of_every_method(name, clip):
    recipe = resolve_recipe(name, RECIPES)
    if name in PIXELS and WIDTHS[clip.name][2] is None:
        with pytest.raises(ConfigError, match="must be a ViT read at its class token, but RN50"):
            build_learner(recipe, clip, CLASSES, seed=1)
        return
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    generator, labels = torch.Generator().manual_seed(0), torch.tensor([0, 1])
    features = F.normalize(torch.randn(2, clip.embed_dim, generator=generator), dim=-1)
    if learner.fitted:
        learner.fit(FewShotFeatures(features, labels, features, labels))
    images = torch.randn(2, 3, 224, 224, generator=generator)
    if learner.reads != "pixels":
        images = learner.image_side().encode_images(images)
    losses = learner.losses(images, labels)
    assert all(torch.isfinite(term) for term in losses.values())
    if recipe.training:
        learner.backward(losses)
        trained = [p for p in learner.parameters() if p.requires_grad]
        assert all(torch.isfinite(p.grad).all() for p in trained if p.grad is not None)
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)
    assert learner.logits(torch.ones(2, learner.image_width)).shape == (2, 2)
