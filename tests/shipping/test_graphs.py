"""What ships computes what was evaluated, and what cannot is refused in a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from learners import RECIPES
from shipping.models import CLASSES, shipped
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.shipping import ImageSamples, ShippedModel, export_folder
from vlprompt_pipeline.shipping.graphs import ImageGraph, TextGraph, has_open_classes
from vlprompt_pipeline.shipping.onnx_files import export_graph, to_half


@pytest.fixture(scope="module")
def clip():
    return load_clip("embedded", "demo", "cpu")


@pytest.fixture(scope="module")
def pixels(clip):
    size = clip.preprocessing.size
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "method", ["zero_shot", "qcoop", "rlp", "maple", "deep_vision", "clip_adapter", "mmrl"]
)
def test_logits_are_those_of_the_learner(clip, pixels, method):
    learner = shipped(method, clip).learner
    with torch.no_grad():
        logits, features = ImageGraph(learner)(pixels)
        expected = learner.image_side().encode_images(pixels)
        torch.testing.assert_close(features, expected)
        torch.testing.assert_close(logits, learner.logits(expected))


@pytest.mark.parametrize("method", ["maple", "mmrl", "linear_probe"])
def test_a_graph_takes_any_number_of_images_in_either_precision(clip, pixels, method):
    onnxruntime = pytest.importorskip("onnxruntime")
    learner = shipped(method, clip).learner
    with torch.no_grad():
        for name, parameter in learner.named_parameters():
            if name in ("weight", "bias"):  # of a probe, which begins with zeros
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator()))
        expected = learner.logits(learner.image_side().encode_images(pixels)).numpy()
    names = ("pixel_values", "logits", "image_embeds")
    single = export_graph(ImageGraph(learner), pixels[:2], names)
    for graph, atol in ((single, 1e-4), (to_half(single), 0.05)):
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        for images in (1, 3):
            (logits,) = session.run(["logits"], {"pixel_values": pixels[:images].numpy()})
            np.testing.assert_allclose(logits, expected[:images], atol=atol)


def test_a_number_of_images_that_became_a_constant_is_an_error():
    pytest.importorskip("onnxscript")

    class Fixed(nn.Module):
        def forward(self, x):
            return torch.cat([x, torch.ones(len(x), 1)], dim=1)

    with pytest.raises(UserError, match="would take 2 inputs at once and no other number"):
        export_graph(Fixed(), torch.zeros(2, 3), ("x", "y"))


def test_a_prompt_that_was_trained_in_bf16_ships_in_single_precision(clip, pixels):
    rounded = load_clip("embedded", "demo", "cpu", precision="bf16")
    made = shipped("coop", rounded)
    model = ShippedModel.of(Classifier(made.card, rounded, made.packed), "demo", None, None)
    expected = shipped("coop", clip).learner
    logits, _ = ImageGraph(model.learner)(pixels)
    torch.testing.assert_close(logits, expected.logits(clip.encode_images(pixels)))
    assert rounded.arithmetic.precision == "bf16"


def test_a_learner_is_left_as_it_was(clip, pixels):
    learner = shipped("clip_adapter", clip).learner
    with torch.no_grad():
        ImageGraph(learner)(pixels)
    assert "class_features" not in vars(learner)
    assert not learner.clip.text._forward_pre_hooks


@pytest.mark.parametrize("method", ["cocoop", "variational_conditional"])
def test_prompts_that_depend_on_the_image_are_refused(clip, method):
    with pytest.raises(UserError, match="for each image"):
        ImageGraph(shipped(method, clip).learner)


def test_a_distribution_that_is_the_same_for_all_images_ships_with_its_mean(clip, pixels):
    prompt = RECIPES["variational"]["prompt"]
    with pytest.raises(UserError, match="averages .* export the method with prediction: mean"):
        ImageGraph(shipped("variational", clip, prompt={**prompt, "prediction": "sampled"}).learner)
    learner = shipped("variational", clip, prompt={**prompt, "prediction": "mean"}).learner
    with torch.no_grad():
        logits, features = ImageGraph(learner)(pixels)
        torch.testing.assert_close(logits, learner.logits(features))


def test_a_refusal_names_which_of_several_prompts_it_is_about(clip, tmp_path):
    model = replace(shipped("cocoop", clip), name="demo.cocoop")
    with pytest.raises(UserError, match=r"^demo\.cocoop: this method makes text features anew"):
        export_folder(model, tmp_path / "model", ImageSamples())


@pytest.mark.parametrize("method", ["zero_shot", "coop", "rlp"])
def test_text_features_of_any_names_are_those_of_the_learner(clip, method):
    model = shipped(method, clip)
    graph = TextGraph(model.learner)
    names = ["red disc", "a very long name of many words", "star"]
    rows = torch.zeros(len(names), graph.tokens, dtype=torch.int64)
    for row, name in zip(rows, names, strict=True):
        text = CLASSES.template.format(name) if method == "zero_shot" else f"{name}."
        ids = [*clip.token_ids(text), clip.tokenizer.end]
        row[: len(ids)] = torch.tensor(ids)
    learner = type(model)(
        model.card.model_copy(update={"class_names": tuple(names)}), model.packed, clip
    ).learner
    with torch.no_grad():
        torch.testing.assert_close(graph(rows), learner.class_features(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["maple", "clip_adapter", "kgcoop"])
def test_open_classes_are_offered_where_one_context_serves_all_names(clip, method):
    learner = shipped(method, clip).learner
    assert has_open_classes(learner) == (method == "kgcoop")


def test_features_are_normalised(clip):
    graph = TextGraph(shipped("coop", clip).learner)
    ids = torch.zeros(1, graph.tokens, dtype=torch.int64)
    ids[0, :2] = torch.tensor([320, clip.tokenizer.end])
    with torch.no_grad():
        norm = graph(ids).norm(dim=-1)
    torch.testing.assert_close(norm, F.normalize(torch.ones(1, 1)).norm(dim=-1))
