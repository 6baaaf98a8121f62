"""Few-shot images are read as the parameters of features say."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from vlprompt_pipeline.clip import FeatureStore
from vlprompt_pipeline.clip.dataset_features import TrainingFeatures
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.training import FewShotImages

NAMES = tuple(f"{number}.png" for number in range(5))


def test_crops_that_are_encoded_ahead_are_read_by_the_parameters(tiny_clip, tmp_path, monkeypatch):
    rng, asked, extract = np.random.default_rng(0), {}, FeatureStore.extract
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), np.uint8)).save(tmp_path / name)
    monkeypatch.setattr(
        FeatureStore, "extract", lambda *given, **how: asked.update(how) or extract(*given, **how)
    )
    images = FewShotImages(
        clip=tiny_clip,
        folder=tmp_path,
        few_shot_set=FewShotSet(
            "pets", 3, 1, "", tuple((n, i % 2) for i, n in enumerate(NAMES)), ()
        ),
        base=ClassSubset((0,), ("cat",)),
        training=TrainingFeatures(
            "online", "", "published", None, tuple(sha256_file(tmp_path / n) for n in NAMES)
        ),
        validation=None,
        store=FeatureStore(tmp_path / "store"),
        parameters=FeatureParameters(
            train="online",
            views=2,
            crop_scale=(0.3, 1.0),
            batch_size=4,
            shard_size=2,
            workers=3,
            decoding="published",
        ),
        seed=1,
    )
    features = images.at_once()
    assert features.views.shape == (3, 2, tiny_clip.embed_dim)
    assert torch.equal(features.labels, torch.zeros(3, dtype=torch.int64))
    assert (asked["batch_size"], asked["shard_size"], asked["workers"]) == (4, 2, 3)
    assert len(list((tmp_path / "store").rglob("shard-*.safetensors"))) == 2
