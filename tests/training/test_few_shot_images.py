"""Few-shot images are read as the parameters of features say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from clip.random_images import random_images
from learners import CLASSES, PROMPT, TRAINING, coop, untrained
from vlprompt_pipeline.clip import (
    EvaluationView,
    FeatureStore,
    FrozenClip,
    ImageEncoder,
    TrainingViews,
)
from vlprompt_pipeline.clip.dataset_features import (
    decoding_of,
    extract_few_shot_features,
    require_features_of_this_run,
)
from vlprompt_pipeline.clip.feature_records import TrainingFeatures, ValidationFeatures
from vlprompt_pipeline.config import FeatureParameters, TrainingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.training import CachedViews, FewShotImages, OnlineViews, PixelViews
from vlprompt_pipeline.training.groups import Member
from vlprompt_pipeline.training.task import PromptTask, train_alone

SETTINGS = {"train": "online", "views": 2, "crop_scale": (0.3, 1.0), "decoding": "published"}
SETTINGS |= {"batch_size": 4, "shard_size": 2, "workers": 3}
NAMES = tuple(f"{number}.png" for number in range(5))
TEXTS = {"templates": "benchmark"}
PROMPTS = {
    "coop": PROMPT,
    "clap": {**TEXTS, "constraint": True},
    "prolip": {**TEXTS, "weight": 1},
    "clip_lora": {"rank": 1, "alpha": 1, "dropout": 0},
}


def few_shot_images(clip: FrozenClip, folder: Path, hashes: tuple[str, ...], **changes):
    """Five images of two classes, of which the first is trained on, with new crops in each step."""
    pairs = tuple((name, i % 2) for i, name in enumerate(NAMES))
    return FewShotImages(
        clip=clip,
        folder=folder,
        few_shot_set=FewShotSet("pets", 3, 1, "", pairs, ()),
        base=ClassSubset((0,), ("cat",)),
        training=TrainingFeatures("online", "", "published", None, hashes),
        validation=None,
        store=FeatureStore(folder / "store"),
        parameters=FeatureParameters(**SETTINGS | changes),
        seed=1,
    )


def test_crops_that_are_encoded_ahead_are_read_by_the_parameters(tiny_clip, tmp_path, monkeypatch):
    rng, asked, extract = np.random.default_rng(0), {}, FeatureStore.extract
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), np.uint8)).save(tmp_path / name)
    monkeypatch.setattr(
        FeatureStore, "extract", lambda *given, **how: asked.update(how) or extract(*given, **how)
    )
    hashes = tuple(sha256_file(tmp_path / name) for name in NAMES)
    features = few_shot_images(tiny_clip, tmp_path, hashes).at_once()
    assert features.views.shape == (3, 2, tiny_clip.embed_dim)
    assert torch.equal(features.labels, torch.zeros(3, dtype=torch.int64))
    assert (asked["batch_size"], asked["shard_size"], asked["workers"]) == (4, 2, 3)
    assert len(list((tmp_path / "store").rglob("shard-*.safetensors"))) == 2


def test_features_of_a_few_shot_set_are_those_of_its_images_in_its_order(tiny_clip, tmp_path):
    rng = np.random.default_rng(0)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), np.uint8)).save(tmp_path / name)
    hashes = [sha256_file(tmp_path / name) for name in NAMES]
    table = pd.DataFrame({"path": NAMES, "fingerprint": hashes})
    chosen = FewShotSet("pets", 1, 1, "", (("1.png", 0),), (("4.png", 1), ("0.png", 0)))
    card = SimpleNamespace(name="pets", folder=tmp_path, split_sha256="")
    store = tmp_path / "store"
    parameters = FeatureParameters(**{**SETTINGS, "train": "online", "decoding": "auto"})
    found = extract_few_shot_features(tiny_clip, table, card, chosen, store, parameters, seed=1)
    assert (found.validation.images, found.training.fingerprints) == (2, (hashes[1],))
    assert found.training.decoding == "as_seen", "own photos"
    assert decoding_of(parameters, SimpleNamespace(name="caltech101")) == "published"
    view = EvaluationView(tiny_clip.preprocessing, "as_seen")
    pixels = torch.stack([view.of(tmp_path / name) for name in ("4.png", "0.png")])
    values = FeatureStore(store).load(found.validation.key).of(tiny_clip)[:, 0]
    torch.testing.assert_close(values, tiny_clip.encode_images(pixels))
    require = partial(
        require_features_of_this_run, clip=tiny_clip, table=table, card=card, store=store, seed=1
    )
    stored = (found.training, found.validation)
    require(chosen, *stored, features=parameters)
    require(chosen, found.training, None, features=parameters)
    published = parameters.model_copy(update={"decoding": "published"})
    for drawn, features in (
        (chosen, published),
        (replace(chosen, train=(("2.png", 0),)), parameters),
        (replace(chosen, val=(("4.png", 1), ("3.png", 0))), parameters),
    ):
        with pytest.raises(UserError, match="of pets, seed 1, were made with other images, setti"):
            require(drawn, *stored, features=features)
    with pytest.raises(UserError, match="of pets, seed 1"):
        require(None, None, None, features=parameters)


def test_what_a_prompt_depends_on_belongs_to_the_fingerprint_of_its_training(tiny_clip, tmp_path):
    """Also the number of views that a fitted method is given where training crops anew."""

    def fingerprint(images=MappingProxyType({}), task=MappingProxyType({}), **features) -> str:
        read = few_shot_images(tiny_clip, tmp_path, ("",) * len(NAMES), **features)
        parts = {"recipe_name": "coop", "recipe": coop(), "classes": CLASSES, "group": ()}
        return PromptTask(images=replace(read, **images), **{**parts, **task}).fingerprint

    pairs = tuple((name, 0) for name in NAMES)
    another_clip = SimpleNamespace(identity_sha256="", arithmetic=tiny_clip.arithmetic)
    same = [
        fingerprint(),
        fingerprint(workers=1),
        fingerprint(task={"recipe": coop(training={"memory_gb": 1})}),
        fingerprint(task={"group": (Member("coop", 1),)}),
    ]
    others = [
        fingerprint(views=3),
        fingerprint(crop_scale=(1, 1)),
        fingerprint(images={"clip": another_clip}),
        fingerprint(images={"seed": 2}),
        fingerprint(images={"few_shot_set": FewShotSet("pets", 3, 1, "", pairs, ())}),
        fingerprint(task={"recipe": coop(training={"lr": 1})}),
        fingerprint(task={"classes": ClassTexts(CLASSES.names, "{}")}),
        fingerprint(task={"group": (Member("coop", 1), Member("coop", 2))}),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *others}) == 1 + len(others)


class TestBaseClasses:
    """Six images of three classes, of which the last two are those of training."""

    LABELS = (0, 1, 2, 1, 0, 2)
    ROWS = (1, 2, 3, 5)
    OWN = torch.tensor([0, 1, 0, 1])

    @pytest.fixture
    def cached(self, tiny_clip, tmp_path) -> FewShotImages:
        """The images, and features of two crops of each; three of them are for validation, too."""
        images, store = random_images(tmp_path, 6), FeatureStore(tmp_path / "store")
        crops = TrainingViews(tiny_clip.preprocessing, 1, 2, (0.3, 1.0), "published")
        training = store.extract(tiny_clip, images, crops, shard_size=2)
        three = replace(images, paths=images.paths[:3], fingerprints=images.fingerprints[:3])
        validation = store.extract(tiny_clip, three, EvaluationView(tiny_clip.preprocessing))
        pairs = tuple(zip(images.paths, self.LABELS, strict=True))
        return replace(
            few_shot_images(tiny_clip, tmp_path, images.fingerprints, train="cached"),
            few_shot_set=FewShotSet("pets", 2, 1, "", pairs, pairs[:3]),
            base=ClassSubset((1, 2), ("dog", "boat")),
            training=TrainingFeatures("cached", "", "published", training.key, images.fingerprints),
            validation=ValidationFeatures(validation.key, "", 3),
        )

    def views(self, encoder: ImageEncoder, images: FewShotImages) -> torch.Tensor:
        """Features of the crops, one image after the other."""
        crops = TrainingViews(images.clip.preprocessing, 1, 2, (0.3, 1.0), "published")
        names = [images.few_shot_set.train[row][0] for row in self.ROWS]
        marks = [images.training.fingerprints[row] for row in self.ROWS]
        pixels = [
            crops.pixels(images.folder / name, mark)
            for name, mark in zip(names, marks, strict=True)
        ]
        return torch.stack([encoder.encode_images(each) for each in pixels])

    def test_a_fitted_method_is_given_them_all_with_labels_of_their_own(self, tiny_clip, cached):
        for images in (cached, replace(cached, training=replace(cached.training, mode="online"))):
            given, views = images.at_once(), self.views(tiny_clip, cached)
            torch.testing.assert_close(given.views, views)
            torch.testing.assert_close(given.images, F.normalize(views.sum(1), dim=-1))
            assert torch.equal(given.labels, self.OWN)
            plain = EvaluationView(tiny_clip.preprocessing)
            expected = [
                tiny_clip.encode_images(plain.pixels(cached.folder / f"{row}.png", ""))[0]
                for row in (1, 2)
            ]
            torch.testing.assert_close(given.validation, torch.stack(expected))
            assert torch.equal(given.validation_labels, torch.tensor([0, 1]))

    def test_without_validation_images_none_are_given(self, tiny_clip, cached):
        none = replace(cached, validation=ValidationFeatures(None, "", 0))
        given = replace(none, few_shot_set=replace(cached.few_shot_set, val=())).at_once()
        assert given.validation.shape == (0, tiny_clip.embed_dim)
        assert len(given.validation_labels) == 0

    @pytest.mark.parametrize("drop_last", [True, False])
    @pytest.mark.parametrize(
        ("mode", "method", "kind"),
        [
            ("cached", "coop", CachedViews),
            ("cached", "clap", CachedViews),
            ("cached", "prolip", CachedViews),
            ("cached", "clip_lora", PixelViews),
            ("online", "coop", OnlineViews),
            ("online", "prolip", OnlineViews),
            ("online", "clip_lora", PixelViews),
        ],
    )
    def test_a_method_is_trained_on_what_it_reads(
        self, tiny_clip, cached, mode, method, kind, drop_last
    ):
        images = replace(cached, training=replace(cached.training, mode=mode))
        training = TrainingParameters(**{**TRAINING, "batch_size": 3, "drop_last": drop_last})
        learner = untrained(tiny_clip, method, **PROMPTS[method])
        batches = images.batches(learner, training)
        assert type(batches) is kind
        assert batches.steps == (1 if drop_last else 2)
        if kind is CachedViews:
            expected = self.views(learner.image_side(), cached)
            torch.testing.assert_close(batches.features, expected, rtol=1e-5, atol=1e-5)
            assert torch.equal(batches.labels, self.OWN)
            assert batches.apart == (method == "clap")
            return
        pixels = batches.pixels if kind is OnlineViews else batches
        assert torch.equal(pixels.labels, self.OWN)
        assert pixels.fresh == (mode == "online")
        read = [(f"{row}.png", cached.training.fingerprints[row]) for row in self.ROWS]
        assert list(zip(pixels.images.paths, pixels.images.fingerprints, strict=True)) == read
        assert (pixels.views.seed, pixels.views.count, pixels.views.crop_scale) == (1, 2, (0.3, 1))

    def test_a_fitted_method_that_is_trained_alone_is_settled_on_validation_images(
        self, tiny_clip, cached, tmp_path
    ):
        tried = {"initial": 2.0, "to": 13.0, "steps": 3}
        values = {"method": "tip_adapter", "title": "", "prompt": {"alpha": tried, "beta": tried}}
        values["prompt"] |= TEXTS
        recipe = resolve_recipe("it", {"it": values})
        task = PromptTask(recipe_name="it", recipe=recipe, classes=CLASSES, images=cached, group=())
        state, rows = train_alone(task, tmp_path / "checkpoint.safetensors")
        expected = build_learner(recipe, tiny_clip, CLASSES, cached.seed)
        expected.fit(cached.at_once())
        assert torch.equal(state["images"], expected.images)
        expected.settle(cached.at_once())
        assert torch.equal(state["strengths"], expected.strengths)
        assert expected.strengths.tolist() != [2.0, 2.0]
        assert rows == []

    def test_a_prompt_begins_as_its_seed_has_it_and_tells_no_memory(self, tiny_clip, cached):
        recipe = coop(training={"memory_gb": 1})
        images = replace(cached, seed=7)
        task = PromptTask(recipe_name="it", recipe=recipe, classes=CLASSES, images=images, group=())
        expected = build_learner(recipe, tiny_clip, CLASSES, seed=7)
        assert torch.equal(task.learner().context, expected.context)
        assert task.trained({}).recipe["training"]["memory_gb"] is None
