"""A CLIP is known by weights, model configuration, preprocessing and tokenizer together."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from learners import COOP
from vlprompt_pipeline.clip import (
    ClipIdentity,
    EvaluationView,
    FeatureStore,
    ImageSet,
    Preprocessing,
    load_clip,
)
from vlprompt_pipeline.clip.identity import describe_model
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export import PackedPrompt, load_learner, pack
from vlprompt_pipeline.export.learner import pack_learner
from vlprompt_pipeline.methods import ClassTexts, build_learner, stored_recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt

CLASSES = ClassTexts(("circle", "square"), "a photo of a {}.")


def changed(folder, target, **sections):
    """A copy of a `local-dir:` folder whose configuration says something else; loaded."""
    shutil.copytree(folder, target)
    path = target / "open_clip_config.json"
    config = json.loads(path.read_text())
    for section, values in sections.items():
        config[section] |= values
    path.write_text(json.dumps(config))
    return load_clip(f"local-dir:{target}", "tiny", "cpu")


def test_each_part_gives_another_identity(tiny_clip, tiny_clip_folder, tmp_path):
    gelu = changed(tiny_clip_folder, tmp_path / "gelu", model_cfg={"quick_gelu": False})
    grey = changed(tiny_clip_folder, tmp_path / "grey", preprocess_cfg={"mean": [0.4] * 3})
    own = tiny_clip.identity
    others = [gelu.identity, grey.identity, replace(own, tokenizer="f" * 64)]
    assert all(own.to_dict().values())
    assert len({own.digest, *(other.digest for other in others)}) == 4
    assert own.difference(gelu.identity).startswith("the model configuration ")
    assert own.difference(grey.identity).startswith("the preprocessing ")
    assert own.difference(others[2]).startswith("the tokenizer ")
    assert own.difference(own) == ""


def test_a_default_that_is_written_out_changes_nothing():
    said = {"embed_dim": 8, "quick_gelu": False, "vision_cfg": {"width": 32, "mlp_ratio": 4.0}}
    assert describe_model(said) == {"embed_dim": 8, "vision_cfg": {"width": 32}}
    assert describe_model({**said, "quick_gelu": True})["quick_gelu"] is True


def test_preprocessing_is_known_by_what_differs_from_its_defaults():
    square = Preprocessing.of_open_clip({"mean": 0.5, "std": [0.5, 0.25, 0.5]}, (32, 32), "")
    written = b'{"mean": [0.5, 0.5, 0.5], "size": 32, "std": [0.5, 0.25, 0.5]}'
    identity = ClipIdentity.of("", {}, square, "")
    assert identity.preprocessing == hashlib.sha256(written).hexdigest()


def test_features_of_another_activation_are_not_taken(tiny_clip, tiny_clip_folder, tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    images = ImageSet(tmp_path, ("a.png",), ("a",))
    gelu = changed(tiny_clip_folder, tmp_path / "gelu", model_cfg={"quick_gelu": False})
    store, view = FeatureStore(tmp_path / "store"), EvaluationView(tiny_clip.preprocessing)
    keys = {store.extract(clip, images, view).key for clip in (tiny_clip, gelu)}
    assert len(keys) == 2


def prompt_of(clip) -> tuple[TrainedPrompt, PackedPrompt]:
    recipe = stored_recipe(COOP)
    learner = build_learner(recipe, clip, CLASSES, seed=0)
    values = recipe.model_dump(mode="json")
    trained = TrainedPrompt(values, learner.state_dict(), CLASSES, clip.identity, {"seed": 1})
    return trained, pack_learner(learner, recipe)


def test_a_prompt_of_another_activation_is_refused(tiny_clip, tiny_clip_folder, tmp_path):
    trained, packed = prompt_of(tiny_clip)
    gelu = changed(tiny_clip_folder, tmp_path / "gelu", model_cfg={"quick_gelu": False})
    with pytest.raises(PromptFileError, match="has the model configuration .* and not"):
        trained.learner(gelu)
    with pytest.raises(PromptFileError, match="under another model configuration"):
        load_learner(pack(packed), trained.resolved_recipe(), gelu, CLASSES)


def test_files_of_before_are_read_with_a_warning(tiny_clip, tmp_path, caplog):
    trained, packed = prompt_of(tiny_clip)
    old = replace(trained, clip_identity=ClipIdentity(tiny_clip.weights_sha256))
    old.save(tmp_path / "old")
    with caplog.at_level(logging.WARNING):
        TrainedPrompt.load(tmp_path / "old").learner(tiny_clip)
        bare = pack(replace(packed, metadata={}))
        load_learner(bare, trained.resolved_recipe(), tiny_clip, CLASSES)
    said = [record.getMessage() for record in caplog.records]
    parts = "which model configuration, preprocessing, tokenizer it was made with"
    assert [parts in line for line in said] == [True, True]
    other = replace(old, clip_identity=ClipIdentity("0" * 64))
    with pytest.raises(PromptFileError, match="the weights"):
        other.learner(tiny_clip)
