"""Methods with prompts in the image tower, through every stage."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from pipelines.project import CLASSES, DATASET, Project
from vlprompt_pipeline.clip import EvaluationView, TrainingViews, load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.export import load_learner
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt

METHODS = ("maple", "qmaple", "promptsrc", "deep_vision")
SHORT = {"training": {"epochs": 2, "batch_size": 4}}
PARAMS = {
    "methods": ["zero_shot", *METHODS],
    "recipes": {
        "maple": SHORT,
        "promptsrc": SHORT | {"prompt": {"templates": "photo"}},
        "deep_vision": SHORT,
    },
}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which these methods have run; only to be looked at."""
    from pipelines.project import miniature
    from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

    project = Project.create(tmp_path_factory.mktemp("prompted") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMAGE_DATASETS, DATASET, miniature())
        project.run(PARAMS, report=True)
    return project


@pytest.mark.parametrize("method", METHODS)
def test_predictions_are_those_of_the_file_that_ships_picture_by_picture(prompted, method):
    clip = load_clip("embedded", "demo", "cpu")
    card = prompted.json("02_intermediate", "dataset_card.json", DATASET)
    table = pd.read_parquet(prompted.path("07_model_output", f"{method}/predictions.parquet"))
    packed = prompted.path("06_models", f"{method}/prompt.vlp").read_bytes()
    recipe = TrainedPrompt.load(
        prompted.path("06_models", f"{method}/prompt.safetensors")
    ).resolved_recipe()
    view, names = EvaluationView(clip.preprocessing), card["class_names"]
    half = CLASSES // 2
    among = {"base": names[:half], "new": names[half:]}
    among |= {"generalised_base": names, "generalised_new": names}
    for part, own in among.items():
        learner = load_learner(packed, recipe, clip, ClassTexts(tuple(own), card["template"]))
        rows = table[table["half"] == part]
        paths = [prompted.data / "01_raw" / DATASET / path for path in rows.path]
        pixels = [view.pixels(path, "") for path in paths]
        features = torch.cat([learner.image_side().encode_images(picture) for picture in pixels])
        best = learner.logits(features).softmax(-1).max(-1)
        assert best.indices.tolist() == rows["prediction"].tolist()
        assert best.values.tolist() == pytest.approx(rows["probability"].tolist(), abs=1e-4)
        assert not torch.allclose(features, clip.encode_images(torch.cat(pixels)), atol=1e-3)


def test_all_stand_in_one_table(prompted):
    assert set(prompted.report().index) == {"zero_shot", *METHODS}


def test_a_second_run_reads_no_picture(prompted, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a picture was read again")

    before = prompted.files()
    monkeypatch.setattr(EvaluationView, "pixels", refuse)
    monkeypatch.setattr(TrainingViews, "pixels", refuse)
    prompted.run(PARAMS)
    assert prompted.files() == before


def test_online_crops_train_on_pixels_too(project):
    project.run({**PARAMS, "methods": ["maple"], "features": {"train": "online"}})
    history = pd.read_csv(project.path("06_models", "maple/history.csv"))
    assert history["loss"].notna().all()


def test_a_clip_without_a_vit_is_refused_before_features_are_computed(project, tmp_path):
    config = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 3,
        },
    }
    save_file(open_clip.CLIP(**config).state_dict(), tmp_path / "open_clip_model.safetensors")
    described = {"model_cfg": config, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    clip = {"name": "rn", "source": f"local-dir:{tmp_path}"}
    said = project.refusal({"clip": clip, "methods": ["maple"]})
    assert said.startswith("recipes.maple.method: it changes the image tower, which must be a ViT")
    assert "but rn has another (ModifiedResNet)" in said
    assert not (project.data / "04_feature").exists()
    project.run({"clip": clip, "methods": ["deep_language"], "recipes": {"maple": SHORT}})
