"""A version that says "none of these": calibrated on unused images, applied wherever it labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from registry.test_classifier import CLASSES, NEW, classifier_of
from vlprompt_pipeline.arithmetic import Arithmetic
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import DatasetCard, FewShotSet
from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_images
from vlprompt_pipeline.inference.registered import RegisteredModel
from vlprompt_pipeline.registry.calibration import Effect, LabelledImages, calibrate_version
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.rejection import Rejection, RejectionParameters, softmax
from vlprompt_pipeline.rejection.operating_points import operating_points

HOW = RejectionParameters(
    kind="max_softmax", accuracy=0.3, coverage=0.8, outsiders_refused=0.9, images=1000
)
FEATURES = FeatureParameters(
    train="cached",
    views=1,
    crop_scale=(1.0, 1.0),
    batch_size=64,
    shard_size=64,
    workers=1,
    decoding="published",
)
LISTED = 10  # validation images of the few-shot set


def test_a_registered_model_computes_as_it_was_evaluated_and_rejects_among_its_own_classes():
    threads = torch.get_num_threads() + 1
    clip = SimpleNamespace(
        arithmetic=Arithmetic("cpu", threads), preprocessing=SimpleNamespace(height_width=(48, 64))
    )
    classifier = SimpleNamespace(
        clip=clip,
        rejection="its own",
        names=lambda given: tuple(given) or ("cat", "dog"),
        rejects=lambda names: names == ("cat", "dog"),
        logits_of_pixels=lambda pixels, names: torch.get_num_threads(),
    )
    model = RegisteredModel(classifier, "pets", "1", ())
    assert (model.rejection, model.with_classes(["sea"]).rejection) == ("its own", None)
    assert (model.block, model.pixel_shape) == (32, (3, 48, 64))
    assert model.logits(np.zeros(1)) == threads


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> LabelledImages:
    """Noise: 50 validation images, of which 10 are in the few-shot set, and 12 test images."""
    root, draws = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    rows = []
    for number in range(62):
        path = f"{number:03d}.png"
        Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(root / path)
        part, label = "val" if number < 50 else "test", number % 3
        rows.append((path, label, CLASSES.names[label], part))
    table = pd.DataFrame(rows, columns=["path", "label", "class_name", "part"])
    table["fingerprint"] = fingerprint_images(table["path"].tolist(), root)
    card = DatasetCard(
        name="noise",
        folder=root,
        class_names=CLASSES.names,
        template=CLASSES.template,
        split_sha256="s",
    )
    listed = tuple((path, label) for path, label, *_ in rows[:LISTED])
    few_shot_set = FewShotSet("noise", 1, 1, "s", (), listed)
    return LabelledImages(table, card, few_shot_set, root / "store", FEATURES, root)


def rejecting(classifier: Classifier, rejection: Rejection) -> Classifier:
    return Classifier(
        classifier.card, classifier.clip, classifier.packed, classifier.head, rejection
    )


def test_only_validation_images_that_chose_nothing_calibrate(tiny_clip, images):
    classifier = classifier_of("coop", tiny_clip)
    kept = images.kept(CLASSES.names, 1000)
    assert kept["path"].tolist() == [f"{number:03d}.png" for number in range(LISTED, 50)]
    assert len(images.kept(CLASSES.names[1:], 1000)) == 27  # of two of the three classes
    assert len(images.kept(CLASSES.names, 25)) == 25
    rejection, effect = calibrate_version(classifier, images, HOW, "noise.coop")
    assert rejection.calibration.images == 40
    assert rejection.calibration.accuracy >= 0.3
    logits = images.logits(classifier, images.test(CLASSES.names))
    shares, labels = softmax(logits), np.array([number % 3 for number in range(50, 62)])
    accepted, right = shares.max(-1) >= rejection.threshold, shares.argmax(-1) == labels
    assert effect.images == 12
    assert effect.accepted == pytest.approx(accepted.mean())
    assert effect.accuracy == pytest.approx(right[accepted].mean() if accepted.any() else 0)
    assert f"{effect.accepted:.0%} of 12 test images" in effect.sentence(rejection)


def test_images_are_scored_in_chunks_as_an_evaluation_scores_them(tiny_clip, images, monkeypatch):
    """Tip-Adapter would hold 50,000 test images times 16,000 training images at once."""
    classifier, test, sizes = classifier_of("coop", tiny_clip), images.test(CLASSES.names), []
    expected = images.logits(classifier, test)

    def logits(features: torch.Tensor) -> np.ndarray:
        sizes.append(len(features))
        return Classifier.logits(classifier, features)

    monkeypatch.setattr(classifier, "logits", logits)
    monkeypatch.setattr("vlprompt_pipeline.registry.calibration.CHUNK", 5)
    np.testing.assert_allclose(images.logits(classifier, test), expected, rtol=1e-5)
    assert sizes == [5, 5, 2]


def test_below_the_threshold_the_label_is_none_and_the_nearest_is_told(tiny_clip, images):
    plain = classifier_of("coop", tiny_clip)
    files = [images.card.folder / f"{number:03d}.png" for number in range(6)]
    given = [path.read_bytes() for path in files]
    scores = plain.classify(given)["score"]
    calibrated, _ = calibrate_version(plain, images, HOW, "noise.coop")
    middle = float(np.sort(scores)[2:4].mean())
    classifier = rejecting(
        plain, calibrated.model_copy(update={"threshold": middle, "temperature": 2.0})
    )
    said = classifier.classify(given)
    best = plain.classify(given)["label"]
    assert said["label"].tolist() == [
        name if score >= middle else "none" for name, score in zip(best, scores, strict=True)
    ]
    assert said["top_labels"].str[0].tolist() == best.tolist()
    logits = plain.logits(plain.image_side.encode_images(_pixels(plain, given)))
    assert said["score"].tolist() == pytest.approx(softmax(logits, 2.0).max(-1).tolist())
    others = classifier.classify(given, NEW)  # the threshold is of other classes
    assert set(others["label"]) <= set(NEW)


def test_an_accuracy_may_be_asked_for_with_the_call(tiny_clip, images):
    """As if the model were right on the 12 images it is surest of, and half of the others."""
    plain = classifier_of("coop", tiny_clip)
    files = [images.card.folder / f"{number:03d}.png" for number in range(LISTED, 50)]
    given = [path.read_bytes() for path in files]
    scores = softmax(plain.logits(plain.image_side.encode_images(_pixels(plain, given)))).max(-1)
    right = np.zeros(40, bool)
    right[np.argsort(-scores)[[*range(12), *range(13, 40, 2)]]] = True
    calibrated, _ = calibrate_version(plain, images, HOW, "noise.coop")
    points = operating_points(scores, right)
    assert [point.accepted for point in points] == [1.0, *(n / 40 for n in range(38, 11, -2))]
    classifier = rejecting(plain, calibrated.model_copy(update={"operating_points": points}))
    for point in points:
        said = classifier.classify(given, accuracy=point.accuracy)["label"].to_numpy()
        assert (said != "none").sum() == round(point.accepted * 40)
        assert right[said != "none"].mean() == pytest.approx(point.accuracy)
    assert (classifier.classify(given)["label"] == "none").tolist() == (
        scores < calibrated.threshold
    ).tolist()
    with pytest.raises(ConfigError, match="give no class names but its own"):
        classifier.classify(given[:1], NEW, accuracy=0.3)


def test_conformal_sets_go_with_the_label_through_the_files(tiny_clip, images, tmp_path):
    plain, how = classifier_of("coop", tiny_clip), HOW.model_copy(update={"kind": "conformal"})
    rejection, effect = calibrate_version(plain, images, how, "noise.coop")
    assert effect.covered is not None and effect.labels > 1  # noise: one label would not do
    assert "hold the right one of" in effect.sentence(rejection)
    contents = {
        "card": plain.card.to_json().encode(),
        "prompt": plain.packed,
        "rejection": rejection.to_json().encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = {name: str(tmp_path / name) for name in contents}
    loaded = Classifier.load(files, plain.clip.source, "cpu")
    paths = [images.card.folder / f"{number:03d}.png" for number in range(50, 62)]
    said = loaded.classify([path.read_bytes() for path in paths] + [b"no image"])
    assert said["label_set"][12] == [] and said["label"][12] is None
    rows = zip(said["label_set"][:12], [CLASSES.names[n % 3] for n in range(50, 62)], strict=True)
    assert np.mean([right in chosen for chosen, right in rows]) == pytest.approx(effect.covered)


def test_what_cannot_be_calibrated_is_told(tiny_clip, images, caplog, tmp_path):
    classifier = classifier_of("coop", tiny_clip)
    assert (
        calibrate_version(classifier, images, HOW.model_copy(update={"kind": "none"}), "") is None
    )
    strict = HOW.model_copy(update={"accuracy": 1.0})
    assert calibrate_version(classifier, images, strict, "noise.coop") is None
    assert 'noise.coop never says "none of these": no threshold gives 100%' in caplog.text
    listed = tuple((path, 0) for path in images.table["path"])
    used = replace(images, few_shot_set=replace(images.few_shot_set, val=listed))
    assert calibrate_version(classifier, used, HOW, "noise.coop") is None
    assert "0 validation images are left" in caplog.text
    energy = HOW.model_copy(update={"kind": "energy"})
    assert calibrate_version(classifier, images, energy, "noise.coop")
    with pytest.raises(ConfigError, match="averages probabilities and has no logits"):
        calibrate_version(classifier_of("variational", tiny_clip), images, energy, "noise.v")


def test_outsiders_are_a_folder_of_photos(tiny_clip, images, tmp_path, caplog):
    classifier = classifier_of("coop", tiny_clip)
    asked = {"outsiders": str(tmp_path), "accuracy": 0.01, "outsiders_refused": 0.1}
    how = HOW.model_copy(update=asked)
    with pytest.raises(DataError, match=r"no images in .* belong to none of the classes"):
        calibrate_version(classifier, images, how, "noise.coop")
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 10, 200)).save(tmp_path / f"{number}.png")
    rejection, _ = calibrate_version(classifier, images, how, "noise.coop")
    assert rejection.calibration.outsiders == 8
    assert rejection.calibration.outsiders_refused >= 0.1
    (tmp_path / "broken.png").write_bytes(b"no image")
    again, _ = calibrate_version(classifier, images, how, "noise.coop")
    assert again == rejection
    assert "rejection.outsiders: 1 image left out: cannot read" in caplog.text
    for file in tmp_path.iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"outsiders: no image can be read: cannot read .*0\.png"):
        calibrate_version(classifier, images, how, "noise.coop")


def test_effect_of_a_case_counted_by_hand():
    logits = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    calibration = {"images": 30, "wanted": 0.9, "accepted": 1, "accuracy": 1, "accuracy_of_all": 1}
    rejection = Rejection(kind="conformal", threshold=0.4, temperature=1, calibration=calibration)
    effect = Effect.of(rejection, logits, np.array([0, 1, 0]))
    assert effect.covered == pytest.approx(2 / 3)
    assert effect.labels == pytest.approx(4 / 3)
    assert effect.accuracy == pytest.approx(1 / 3)
    assert effect.calibration_error == pytest.approx(effect.calibration_error_scaled)


def _pixels(classifier: Classifier, given: list[bytes]):
    import torch

    return torch.stack([classifier.pixels(image) for image in given])


def test_the_folder_of_outsiders_is_relative_to_the_project(tiny_clip, images):
    classifier = classifier_of("coop", tiny_clip)
    assert len(images.outsiders(classifier, ".")) == 62
    assert images.outsiders(classifier, None) is None
    assert images.outsiders(classifier, str(Path(images.card.folder))).shape == (62, 3)
