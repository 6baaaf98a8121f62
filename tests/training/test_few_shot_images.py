"""Few-shot images are read as the parameters of features say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from learners import CLASSES, coop
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, FrozenClip
from vlprompt_pipeline.clip.dataset_features import (
    TrainingFeatures,
    decoding_of,
    extract_few_shot_features,
    require_features_of_this_run,
)
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.training import FewShotImages
from vlprompt_pipeline.training.task import PromptTask

SETTINGS = {"train": "online", "views": 2, "crop_scale": (0.3, 1.0), "decoding": "published"}
SETTINGS |= {"batch_size": 4, "shard_size": 2, "workers": 3}
NAMES = tuple(f"{number}.png" for number in range(5))


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
    card, store = SimpleNamespace(name="pets", folder=tmp_path), tmp_path / "store"
    parameters = FeatureParameters(**{**SETTINGS, "train": "online", "decoding": "auto"})
    found = extract_few_shot_features(tiny_clip, table, card, chosen, store, parameters, seed=1)
    assert (found.validation.images, found.training.fingerprints) == (2, (hashes[1],))
    assert found.training.decoding == "as_seen", "own photos"
    assert decoding_of(parameters, SimpleNamespace(name="caltech101")) == "published"
    view = EvaluationView(tiny_clip.preprocessing, "as_seen")
    pixels = torch.stack([view.of(tmp_path / name) for name in ("4.png", "0.png")])
    values = FeatureStore(store).load(found.validation.key).of(tiny_clip)[:, 0]
    torch.testing.assert_close(values, tiny_clip.encode_images(pixels))
    given = (found.training, tiny_clip, card, store)
    require_features_of_this_run(*given, parameters, seed=1)
    other = parameters.model_copy(update={"decoding": "published"})
    with pytest.raises(UserError, match="of pets, seed 1, were made with other settings or code"):
        require_features_of_this_run(*given, other, seed=1)


def test_what_features_depend_on_belongs_to_the_fingerprint_of_a_training(tiny_clip, tmp_path):
    """Also the number of views that a fitted method is given where training crops anew."""

    def fingerprint(**changes) -> str:
        images = few_shot_images(tiny_clip, tmp_path, ("",) * len(NAMES), **changes)
        task = PromptTask(
            recipe_name="coop", recipe=coop(), classes=CLASSES, images=images, group=()
        )
        return task.fingerprint

    same, others = fingerprint(workers=1), [fingerprint(views=3), fingerprint(crop_scale=(1, 1))]
    assert fingerprint() == same
    assert len({same, *others}) == 3
