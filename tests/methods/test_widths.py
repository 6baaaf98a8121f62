"""Every method on CLIPs of other widths: nothing is written down that a model can tell."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from clips import frozen_clip
from learners import RECIPES, unit_vectors
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    build_learner,
    get_method,
    resolve_recipe,
)
from vlprompt_pipeline.pipelines.prompt_training.nodes import check_prompt

FEW_SHOT = {"dataset": "dtd", "shots": 16, "curve": [16]}
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
    return frozen_clip(model, request.param)


def test_widths_are_those_of_the_model(clip):
    text, joint, _ = WIDTHS[clip.name]
    assert (clip.text_width, clip.embed_dim) == (text, joint)


def test_what_does_not_fit_is_told_by_the_check_that_stands_before_all_long_work(clip):
    """It needs no image; with RN50 every method in the image tower is refused by its name."""
    card = SimpleNamespace(class_names=CLASSES.names, template=CLASSES.template)
    given = (clip, card, RECIPES, "few_shot", FEW_SHOT, ExportParameters())
    check = partial(check_prompt, *given)
    for name in RECIPES:
        if name in PIXELS and WIDTHS[clip.name][2] is None:
            with pytest.raises(ConfigError, match=f"^recipes.{name}.method: .* but RN50 has"):
                check(method=name)
        else:
            check(method=name)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_of_every_method(name, clip):
    recipe = resolve_recipe(name, RECIPES)
    if name in PIXELS and WIDTHS[clip.name][2] is None:
        with pytest.raises(ConfigError, match="must be a ViT of open_clip.*, but RN50"):
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


THREE = {  # text 48, joint 64, image 96: no two the same
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 4, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 48,
        "heads": 2,
        "layers": 3,
    },
}
TEXT, JOINT, IMAGE = 48, 64, 96


@pytest.fixture(scope="module")
def unequal() -> FrozenClip:
    """A CLIP of three widths in double precision, with biases that are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**THREE).double()
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
    return frozen_clip(model)


def shapes(clip: FrozenClip, name: str) -> dict[str, tuple[int, ...]]:
    learner = build_learner(resolve_recipe(name, RECIPES), clip, CLASSES, seed=1)
    return {key: tuple(parameter.shape) for key, parameter in learner.named_parameters()}


def slow_text(clip: FrozenClip, name: str, context: torch.Tensor) -> torch.Tensor:
    """77 tokens through open_clip's own blocks, the first words of the prompt replaced."""
    model = clip.model
    words = " ".join("X" * len(context))
    ids = [49406, *clip.token_ids(f"{words} {name}."), 49407]
    x = model.token_embedding(torch.tensor(ids + [0] * (77 - len(ids))))
    x = torch.cat([x[:1], context, x[1 + len(context) :]]) + model.positional_embedding
    x = x[None]
    for block in model.transformer.resblocks:
        x = block(x, attn_mask=model.attn_mask.to(x.dtype))
    return F.normalize(model.ln_final(x[0, len(ids) - 1]) @ model.text_projection, dim=-1)


def images_of(clip: FrozenClip, count: int = 3) -> torch.Tensor:
    return F.normalize(unit_vectors(count, clip.embed_dim, seed=2).double(), dim=-1)


class TestUnequalWidths:
    """Against the official formulas, where a width from the wrong place would show.

    The hidden layers are those of KaiyangZhou/CoOp, trainers/cocoop.py (visual.output_dim // 16),
    and saic-fi/Bayesian-Prompt-Learning, trainers/vpt.py (visual.output_dim // 2).
    """

    def test_cocoop(self, unequal):
        found = build_learner(resolve_recipe("cocoop", RECIPES), unequal, CLASSES, 1).double()
        assert found.meta_net.linear1.weight.shape == (JOINT // 16, JOINT)
        assert found.meta_net.linear2.weight.shape == (TEXT, JOINT // 16)
        images, net = images_of(unequal), found.meta_net
        expected = torch.stack(
            [
                torch.stack(
                    [
                        unequal.logit_scale
                        * image
                        @ slow_text(unequal, name, found.context + shift)
                        for name in CLASSES.names
                    ]
                )
                for image in images
                for shift in [
                    net.linear2.weight
                    @ (net.linear1.weight @ image + net.linear1.bias).clamp(min=0)
                    + net.linear2.bias
                ]
            ]
        )
        torch.testing.assert_close(found.logits(images), expected, rtol=1e-9, atol=1e-9)

    def test_conditional_variational(self, unequal):
        recipe = resolve_recipe(
            "v", {**RECIPES, "v": {"extends": "variational_conditional", "prompt": {"samples": 3}}}
        )
        found = build_learner(recipe, unequal, CLASSES, 1).double().train()
        for net in (found.mean_net, found.log_variance_net):
            layers = [net.linear1, net.linear2, net.linear3]
            assert [tuple(layer.weight.shape) for layer in layers] == [
                (JOINT // 2, JOINT),
                (JOINT // 2, JOINT // 2),
                (TEXT, JOINT // 2),
            ]
        images, labels = images_of(unequal, 2), torch.tensor([0, 1])
        generator = torch.Generator().manual_seed(4)
        noise = torch.randn(3, 2, TEXT, generator=generator, dtype=torch.float64)
        found.draws.normal = lambda shape, like: noise.reshape(shape)

        def through(net, image):
            hidden = F.elu(net.linear1.weight @ image + net.linear1.bias)
            hidden = F.elu(net.linear2.weight @ hidden + net.linear2.bias)
            return net.linear3.weight @ hidden + net.linear3.bias

        likelihoods, divergences = [], []
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            mean, logs = through(found.mean_net, image), through(found.log_variance_net, image)
            right = []
            for sample in range(3):
                context = found.context + mean + noise[sample, number] * (0.5 * logs).exp()
                texts = [slow_text(unequal, name, context) for name in CLASSES.names]
                scores = unequal.logit_scale * torch.stack(texts) @ image
                right.append(scores.softmax(0)[label])
            likelihoods.append(-torch.stack(right).mean().log())
            divergences.append(0.5 * (logs.exp() + mean**2 - 1 - logs).mean())
        terms = found.losses(images, labels)
        torch.testing.assert_close(terms["likelihood"], torch.stack(likelihoods).mean())
        weight = recipe.prompt.kl_weight
        expected = weight * torch.stack(divergences).mean()
        torch.testing.assert_close(terms["divergence"], expected)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("coop", {"context": (4, TEXT)}),
            ("kgcoop", {"context": (4, TEXT)}),
            ("prograd", {"context": (4, TEXT)}),
            (
                "tcp",  # vis_dim // 4, and class tokens of the text width
                {
                    "context": (4, TEXT),
                    "class_net.linear1.weight": (JOINT // 4, JOINT),
                    "class_net.linear1.bias": (JOINT // 4,),
                    "class_net.linear2.weight": (4 * TEXT, JOINT // 4),
                    "class_net.linear2.bias": (4 * TEXT,),
                },
            ),
            (
                "clip_adapter",
                {
                    "adapter.linear1.weight": (JOINT // 4, JOINT),
                    "adapter.linear2.weight": (JOINT, JOINT // 4),
                },
            ),
            ("lp_plus_plus", {"weight": (2, JOINT), "alpha": (2,)}),
            ("linear_probe", {"weight": (2, JOINT), "bias": (2,)}),
            ("clap", {"prototypes": (2, JOINT), "multipliers": (2,)}),
            ("zs_lp", {"prototypes": (2, JOINT), "multipliers": (2,)}),
            ("prolip", {"projection": (IMAGE, JOINT)}),  # the image tower's last linear map
        ],
    )
    def test_shapes(self, unequal, name, expected):
        assert shapes(unequal, name) == expected

    def test_gda(self, unequal):
        """A covariance of the joint space, and what it makes of text features of that width."""
        recipe = resolve_recipe("gda", RECIPES)
        learner = build_learner(recipe, unequal, CLASSES, seed=1).double()
        images, labels = images_of(unequal, 8), torch.arange(8) % 2
        learner.fit(FewShotFeatures(images, labels, images, labels))
        assert learner.weight.shape == (2, JOINT)
        assert learner.features.shape[-1] == JOINT
        assert learner.logits(images).shape == (8, 2)

    def test_factors_and_residuals_have_the_text_width(self, unequal):
        assert set(shapes(unequal, "rlp").values()) == {(4, 1), (1, TEXT)}
        assert shapes(unequal, "variational") == {
            "context": (4, TEXT),
            "mean": (1, TEXT),
            "log_variance": (1, TEXT),
        }

    def test_prompts_of_each_tower_have_its_width(self, unequal):
        for name in ("maple", "ivlp", "promptsrc", "deep_language", "deep_vision"):
            for key, shape in shapes(unequal, name).items():
                if key.startswith("projections"):
                    assert shape in {(IMAGE, TEXT), (IMAGE,)}, (name, key)
                else:
                    assert shape[-1] == (IMAGE if key.startswith("visual") else TEXT), (name, key)
        lora = shapes(unequal, "clip_lora")
        for key, shape in lora.items():
            width = TEXT if key.startswith("text") else IMAGE
            assert shape in {(3, 2, width), (3, width, 2)}, key
