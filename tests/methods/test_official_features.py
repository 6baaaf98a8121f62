"""Methods on image features equal their official code: closed forms, losses, gradients, steps."""

from __future__ import annotations

import json
from copy import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from learners import RECIPES, untrained
from parity import Case, assert_close, load_case, parity_clip
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    PromptLearner,
    resolve_recipe,
)
from vlprompt_pipeline.methods.gda import discriminant, gaussians, new_class_gaussians
from vlprompt_pipeline.methods.texts import TextParameters, class_texts, text_features

EXACT = 1e-9


@pytest.fixture(scope="module")
def clip():
    return parity_clip("float64")


def build(clip, method: str, names: list[str], template: str, **parameters) -> PromptLearner:
    return untrained(clip, method, ClassTexts(tuple(names), template), **parameters)


def descriptions(case: Case, tmp_path, more: str = "") -> dict[str, str]:
    """Texts of a case as a file of sentences."""
    about = case.about
    sentences = dict(zip(about["class_names"], about["prompts"], strict=True))
    if more:
        sentences |= dict(zip(about[f"{more}_class_names"], about[f"{more}_prompts"], strict=True))
    path = tmp_path / "sentences.json"
    path.write_text(json.dumps(sentences))
    return {"templates": "none", "descriptions": str(path)}


def features(case: Case, name: str) -> Tensor:
    return F.normalize(case(name).double(), dim=-1)


@pytest.mark.parametrize("name", ["gda-few-shot", "gda-base-new", "gda-base-new-full-rank"])
def test_gda(name, clip, tmp_path):
    case = load_case(name)
    about, views = case.about, case.about["settings"]["views"]
    pooled = name == "gda-few-shot"
    texts = descriptions(case, tmp_path, "" if pooled else "new")
    covariance = "pooled" if pooled else "by_class"
    gda = build(
        clip,
        "gda",
        about["class_names"],
        "{}",
        covariance=covariance,
        new_classes=not pooled,
        **texts,
    )
    train, labels = features(case, "train_features"), case("train_labels")
    means, precision = gaussians(train, labels, covariance)
    assert_close(means, case("float64/class_means"), EXACT)
    assert_close(precision, case("float64/precision"), EXACT)
    weight, bias = discriminant(means, precision)
    assert_close(weight.T, case("float64/weight"), EXACT)
    assert_close(bias, case("float64/bias"), EXACT)

    by_view = train.unflatten(0, (views, -1)).transpose(0, 1)
    validation = features(case, "validation_features")
    own = case("validation_labels")
    few_shot = FewShotFeatures(by_view[:, 0], labels[: len(by_view)], validation, own, by_view)
    gda.fit(few_shot)
    # the strength shows in the weight, which is stored times it
    chosen = about["values_float64"]["alpha"]
    assert_close(gda.weight.double(), chosen * (weight - weight.mean(0)), 1e-6)
    test = features(case, "test_features")
    official = case("float64/logits")
    stored = gda.logits(test)
    assert_close(stored - stored.mean(-1, True), official - official.mean(-1, True), 1e-4)
    if pooled:
        return

    new = build(
        clip,
        "gda",
        about["new_class_names"],
        "{}",
        covariance=covariance,
        new_classes=True,
        **texts,
    )
    made = new_class_gaussians(train, new.texts)
    for ours, golden in zip(made, ("new_class_means", "new_precision"), strict=True):
        assert_close(ours, case(f"float64/{golden}"), EXACT)
    weight, bias = discriminant(*made)
    assert_close(weight.T, case("float64/new_weight"), EXACT)
    assert_close(bias, case("float64/new_bias"), EXACT)
    new.load_prompt({n: t.detach() for n, t in gda.named_parameters()})
    assert new.bias.shape == (len(about["class_names"]),), "the rows of training are kept"
    stored, official = new.logits(features(case, "new_test_features")), case("float64/new_logits")
    assert_close(stored - stored.mean(-1, True), official - official.mean(-1, True), 1e-6)


def test_one_gda_knows_old_classes_and_makes_up_new_ones(clip, tmp_path):
    case = load_case("gda-base-new")
    about = case.about
    texts = descriptions(case, tmp_path, "new")
    names = about["class_names"]
    settings = {"covariance": "by_class", "new_classes": True, **texts}
    gda = build(clip, "gda", names, "{}", **settings)
    train, labels = features(case, "train_features"), case("train_labels")
    validation = (features(case, "validation_features"), case("validation_labels"))
    gda.fit(FewShotFeatures(train, labels, *validation))
    both = build(clip, "gda", [about["new_class_names"][1], *names[::-1]], "{}", **settings)
    both.load_prompt({n: t.detach() for n, t in gda.named_parameters()})
    test = features(case, "test_features")
    mixed = both.logits(test)
    assert_close(mixed[:, 1:].flip(-1), gda.logits(test), 1e-12)
    alone = build(clip, "gda", about["new_class_names"][1:], "{}", **settings)
    alone.load_prompt({n: t.detach() for n, t in gda.named_parameters()})
    assert_close(mixed[:, :1], alone.logits(test), 1e-12)


@pytest.mark.parametrize("name", ["clap", "zs-lp"])
def test_clap(name, clip):
    case = load_case(name)
    about, printed = case.about, case.about["values_float64"]
    constraint = name == "clap"
    template = about["settings"]["templates"][0]
    names = about["class_names"]
    clap = build(clip, "clap", names, template, templates="benchmark", constraint=constraint)
    assert_close(clap.prototypes, case("float64/base_text_features"), EXACT)
    images, labels = features(case, "features"), case("labels")
    clap.fit(FewShotFeatures(images, labels, images[:0], labels[:0]))
    if constraint:
        expected = torch.tensor(printed["multipliers"], dtype=torch.float64)
        assert_close(clap.multipliers, expected, EXACT)
    assert_close(clap.logits(images), case("float64/logits"), EXACT)
    trained = [p for p in clap.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9)
    losses = []
    for step in range(5):
        terms = clap.losses(images, labels)
        optimizer.zero_grad()
        losses.append(clap.backward(terms).item())
        if step == 0:
            assert_close(clap.prototypes.grad, case("float64/gradient/prototypes"), EXACT)
        optimizer.step()
    assert losses == pytest.approx(printed["losses"], rel=EXACT)
    assert_close(clap.prototypes, case("float64/after_5_steps/prototypes"), EXACT)
    test = features(case, "test_features")
    assert_close(clap.logits(test), case("float64/test_logits_after_5_steps"), EXACT)


def test_the_multipliers_of_clap_are_means_over_every_view(clip):
    case = load_case("clap")
    names, template = case.about["class_names"], case.about["settings"]["templates"][0]
    images, labels = features(case, "features"), case("labels")
    order = labels.argsort(stable=True)
    pairs = [order[labels[order] == c][:2] for c in range(len(names))]
    views = torch.stack([images[pair] for pair in pairs])
    own = torch.arange(len(names))
    clap = build(clip, "clap", names, template, templates="benchmark", constraint=True)
    clap.fit(FewShotFeatures(views[:, 0], own, images[:0], own[:0], views))
    zero_shot = (clip.logit_scale * views @ F.normalize(clap.texts, dim=-1).T).softmax(-1)
    expected = [float((zero_shot[c, 0, c] + zero_shot[c, 1, c]) / 2) for c in own.tolist()]
    assert clap.multipliers.tolist() == pytest.approx(expected, rel=1e-12)


def test_clap_looks_at_one_view_after_the_other(clip):
    sizes = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            sizes.append(result.numel() if isinstance(result, torch.Tensor) else 0)
            return result

    names = list(map(str, range(100)))
    clap = build(clip, "clap", names, "a photo of a {}.", templates="benchmark", constraint=True)
    labels = torch.arange(len(names))
    views = torch.rand(len(names), 30, clip.embed_dim, dtype=torch.float64)
    with Watch():
        clap.fit(FewShotFeatures(views[:, 0], labels, views[:0, 0], labels[:0], views))
    assert max(sizes) < len(names) * 30 * len(names)  # images x views x classes


def test_prolip(clip):
    case = load_case("prolip-2-shot")
    about, settings = case.about, case.about["settings"]
    prolip = build(
        clip,
        "prolip",
        about["class_names"],
        settings["templates"][0],
        templates="benchmark",
        weight=settings["lambda"],
    )
    assert torch.equal(prolip.projection.float(), case("initial/image_projection"))
    fixed = settings["logit_scale"]
    views, labels = case("pre_projection_features").double(), case("labels")
    assert_close(prolip.texts.T, case("float64/text_weights"), EXACT)
    # there the scale is 100, here CLIP's own: 100.000006
    assert clip.logit_scale == pytest.approx(fixed, rel=1e-7)
    prolip.clip = copy(clip)
    prolip.clip.logit_scale = fixed
    rates = about["optimizer"]["learning_rate_of_step"]
    optimizer = torch.optim.Adam([prolip.projection], eps=1e-4)
    losses = []
    for step, (view, rate) in enumerate(zip(settings["view_of_step"], rates, strict=True)):
        optimizer.param_groups[0]["lr"] = rate
        if step == 0:
            assert_close(prolip.logits(views[view]), case("float64/logits"), EXACT)
        terms = prolip.losses(views[view], labels)
        optimizer.zero_grad()
        losses.append(prolip.backward(terms).item())
        if step == 0:
            gradient = case("float64/gradient/image_projection")
            assert_close(prolip.projection.grad, gradient, EXACT)
        optimizer.step()
    assert losses == pytest.approx(about["values_float64"]["losses"], rel=EXACT)
    assert_close(prolip.projection, case("float64/after_5_steps/image_projection"), EXACT)
    logits = prolip.logits(case("test_pre_projection_features").double())
    assert_close(logits, case("float64/test_logits_after_5_steps"), EXACT)


def test_prolip_starts_as_zero_shot(tiny_clip):
    prolip = build(tiny_clip, "prolip", ["cat", "dog"], "a {}.", templates="benchmark", weight=0.1)
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours = prolip.logits(prolip.image_side().encode_images(pixels))
    texts = tiny_clip.encode_texts(["a cat.", "a dog."])
    expected = tiny_clip.logit_scale * tiny_clip.encode_images(pixels) @ texts.T
    torch.testing.assert_close(ours, expected)
    assert prolip.image_side().identity_sha256 != tiny_clip.identity_sha256


class TestDescriptions:
    def test_cupl(self, clip, tmp_path):
        case = load_case("cupl-uneven")
        about = case.about
        chosen = TextParameters(**descriptions(case, tmp_path))
        classes = ClassTexts(tuple(about["class_names"]), "{}")
        found = text_features(clip, classes, chosen)
        assert_close(found, case("float64/text_features_sentences"), EXACT)
        images = clip.encode_images(case("images"))
        logits = clip.logit_scale * images @ found.T
        assert_close(logits, case("float64/logits_sentences"), EXACT)

    def test_cupl_with_templates(self, clip, tmp_path):
        """Each of two templates and each sentence counts once."""
        case = load_case("cupl-uneven")
        about = case.about
        first, second = about["settings"]["templates"]
        names = about["class_names"]
        templated = [
            [second.format(name.replace("_", " ")), *sentences]
            for name, sentences in zip(names, about["prompts"], strict=True)
        ]
        path = tmp_path / "sentences.json"
        path.write_text(json.dumps(dict(zip(names, templated, strict=True))))
        chosen = TextParameters(templates="benchmark", descriptions=str(path))
        found = text_features(clip, ClassTexts(tuple(names), first), chosen)
        assert_close(found, case("float64/text_features_templates_and_sentences"), EXACT)
        texts = class_texts(ClassTexts(tuple(names), first), chosen)
        assert texts[0][:2] == ["a photo of a annual crop land.", templated[0][0]]

    def test_without_descriptions_a_recipe_is_what_it_was(self):
        assert TextParameters(templates="photo").model_dump() == {"templates": "photo"}
        with pytest.raises(ValueError, match="none goes with descriptions"):
            TextParameters(templates="none")

    @pytest.mark.parametrize("method", ["kgcoop", "prograd", "promptsrc", "gda"])
    def test_they_are_the_texts_of_teachers(self, method, clip, tmp_path):
        path = tmp_path / "sentences.json"
        path.write_text('{"cat": ["a close-up of a cat."], "dog": ["a sketch of a dog."]}')
        recipe = resolve_recipe(method, RECIPES).prompt.model_dump()
        texts = {"templates": "none", "descriptions": str(path)}
        learner = build(clip, method, ["cat", "dog"], "a {}.", **{**recipe, **texts})
        known = learner.frozen_features if method == "promptsrc" else learner.texts
        expected = clip.encode_texts(["a close-up of a cat.", "a sketch of a dog."])
        torch.testing.assert_close(known, expected)


@pytest.mark.parametrize("covariance", ["pooled", "by_class"])
def test_one_sample_of_each_class_has_no_precision(covariance):
    means, precision = gaussians(torch.eye(3).double(), torch.arange(3), covariance)
    assert torch.equal(means, torch.eye(3).double())
    assert not precision.any()


def test_gda_says_where_there_is_no_covariance(clip, caplog):
    texts = {"templates": "benchmark", "covariance": "pooled", "new_classes": False}
    learner = build(clip, "gda", ["cat", "dog"], "a {}.", **texts)
    features = F.normalize(torch.randn(2, clip.embed_dim, dtype=torch.float64), dim=-1)
    labels = torch.tensor([0, 1])
    learner.fit(FewShotFeatures(features, labels, features, labels))
    assert "one view of one image of each class" in caplog.text
    torch.testing.assert_close(
        learner.logits(features), clip.logit_scale * features @ learner.texts.T
    )
