"""What is exported beside the packed prompt, and what each file takes."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipelines.project import CLASSES, Project
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.export import ClassifierWeights, load_learner
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt

FOLDER = "06_models"
TRAINED = {
    "methods": ["coop", "qcoop", "cocoop"],
    "recipes": {"cocoop": {"training": {"epochs": 1}}},
}
UP_TO_EXPORT = (
    "data_preparation",
    "few_shot_sampling",
    "feature_extraction",
    "prompt_training",
    "quantization_export",
)


@pytest.fixture
def clip():
    return load_clip("embedded", "demo", "cpu")


def test_the_head_is_the_packed_prompt_for_the_classes_of_the_dataset(finished, clip):
    card = finished.json("02_intermediate", "dataset_card.json", "demo_counts")
    images = torch.nn.functional.normalize(torch.randn(7, clip.embed_dim), dim=-1)
    for method in ("zero_shot", "coop", "qcoop"):
        head = ClassifierWeights.load(
            finished.path(FOLDER, f"{method}/classifier_weights.safetensors")
        )
        assert head.class_names == tuple(card["class_names"])
        assert head.clip_identity.weights == clip.weights_sha256
        packed = finished.path(FOLDER, f"{method}/prompt.vlp").read_bytes()
        prompt = TrainedPrompt.load(finished.path(FOLDER, f"{method}/prompt.safetensors"))
        classes = ClassTexts(head.class_names, card["template"])
        learner = load_learner(packed, prompt.resolved_recipe(), clip, classes)
        with torch.no_grad():
            assert torch.equal(head.logits(images), learner.logits(images))


def test_sizes_are_those_of_the_files_and_of_what_they_need(finished, clip):
    for method in ("zero_shot", "coop", "qcoop"):
        sizes = finished.json(FOLDER, f"{method}/sizes.json")
        for key, name in (
            ("file_bytes", "prompt.vlp"),
            ("classifier_file_bytes", "classifier_weights.safetensors"),
        ):
            assert sizes[key] == finished.path(FOLDER, f"{method}/{name}").stat().st_size
        assert sizes["head_classes"] == CLASSES
        assert sizes["full_precision_file_bytes"] == 0
        weights = sum(p.numel() * p.element_size() for p in clip.model.parameters())
        assert sizes["image_tower_bytes"] + sizes["text_tower_bytes"] == weights
        assert sizes["image_tower_bytes"] > weights / 10


def test_other_names_and_the_full_precision_where_they_are_asked_for(project: Project, clip):
    names = ["two red squares", "a boat"]
    export = {"class_names": names, "full_precision": True, "quantize": {"bits": 2}}
    project.run({**TRAINED, "export": export}, stages=UP_TO_EXPORT)
    head = ClassifierWeights.load(project.path(FOLDER, "qcoop/classifier_weights.safetensors"))
    assert head.class_names == tuple(names)
    assert head.codes.codes.bits == 2
    assert not project.path(FOLDER, "cocoop/classifier_weights.safetensors").exists()
    assert project.json(FOLDER, "cocoop/sizes.json")["classifier_file_bytes"] == 0

    full_precision = project.path(FOLDER, "qcoop/full_precision.safetensors")
    state = load_file(project.path(FOLDER, "qcoop/prompt.safetensors"))
    (context,) = load_file(full_precision).values()
    assert torch.equal(context, state["parametrizations.context.original"])
    assert context.unique().numel() > 2
    with safe_open(full_precision, "pt") as stored:
        assert (
            json.loads(stored.metadata()["full_precision"])["weights_sha256"] == clip.weights_sha256
        )
    assert (
        project.json(FOLDER, "qcoop/sizes.json")["full_precision_file_bytes"]
        == full_precision.stat().st_size
    )

    project.run({**TRAINED, "export": {"full_precision": False}}, stages=("quantization_export",))
    assert not full_precision.exists()


def test_names_that_no_prompt_has_room_for_are_told_before_features_are_computed(project):
    export = {"class_names": ["a boat", "very " * 80 + "long boat"]}
    message = project.refusal({"export": export})
    assert "tokens, but demo reads at most" in message
    assert not (project.data / "04_feature").exists()


def test_class_specific_prompts_know_no_other_names(project):
    recipes = {"coop": {"prompt": {"class_specific": True}}}
    params = {"protocol": "few_shot", "methods": ["coop"], "recipes": recipes}
    message = project.refusal({**params, "export": {"class_names": ["boat"]}})
    assert message.startswith("export.class_names: coop knows no class but those of training")
