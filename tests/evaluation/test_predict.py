"""Predictions of one prompt and of a distribution over prompts, as a table."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import CLASSES, RECIPES, predict, unit_vectors, untrained
from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.evaluation import predict as predict_module
from vlprompt_pipeline.evaluation.predict import CHUNK, predict_among
from vlprompt_pipeline.methods import (
    ClassTexts,
    PromptLearner,
    build_plain,
    resolve_recipe,
)

CONTEXT = {"length": 4, "init": "a photo of a"}
VARIATIONAL = {"samples": 3, "kl_weight": 0.001, "prediction": "sampled"}


@pytest.fixture(scope="module")
def embedded() -> FrozenClip:
    """The CLIP that the recipes are for."""
    return load_clip("embedded", device="cpu")


def learner(clip, method: str, **parameters) -> PromptLearner:
    made = untrained(clip, method, **{**CONTEXT, **parameters})
    return made.eval().requires_grad_(False)


def images(reader: FrozenClip | PromptLearner) -> Tensor:
    width = reader.embed_dim if isinstance(reader, FrozenClip) else reader.image_width
    return unit_vectors(7, width, seed=1)


def test_a_row_an_image_with_its_entropy(tiny_clip):
    coop = learner(tiny_clip, "coop", class_specific=False, class_position="end")
    features, labels = images(tiny_clip), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    table = predict(coop, features, labels)
    probabilities = coop.logits(features).softmax(-1)
    for row, p in zip(table.itertuples(), probabilities.tolist(), strict=True):
        assert row.prediction == p.index(max(p))
        assert row.probability == pytest.approx(max(p), rel=1e-5)
        assert row.entropy == pytest.approx(-sum(x * math.log(x) for x in p), rel=1e-4)
        assert row.top_probability == pytest.approx(sorted(p, reverse=True), rel=1e-5)
    assert "spread" not in table


def test_more_images_than_a_chunk_are_predicted_as_few(tiny_clip):
    coop = learner(tiny_clip, "coop", class_specific=False, class_position="end")
    features, labels = images(tiny_clip), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    few, copies = predict(coop, features, labels), CHUNK // len(labels) + 1
    many = predict(coop, features.repeat(copies, 1), labels.repeat(copies))
    assert many.index.tolist() == list(range(copies * len(labels)))
    for name in ("label", "prediction", "probability", "entropy"):
        np.testing.assert_allclose(many[name], np.tile(few[name], copies), rtol=1e-5)


@pytest.mark.parametrize("name", ["coop", "gda", "mmrl", "variational"])
def test_what_depends_on_no_image_is_computed_once_of_a_frozen_learner(name, embedded, monkeypatch):
    made = build_plain(resolve_recipe(name, RECIPES), embedded, CLASSES)
    features, labels = images(made), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    expected = predict(made, features, labels)
    calls: list[str] = []
    for constant in made.constants:
        own = getattr(made, constant)
        monkeypatch.setattr(made, constant, lambda n=constant, f=own: (calls.append(n), f())[1])
    monkeypatch.setattr(predict_module, "CHUNK", 2)
    table = predict(made.freeze(), features, labels)
    assert sorted(calls) == sorted(made.constants)
    assert not any(p.requires_grad for p in made.parameters())
    assert table["prediction"].tolist() == expected["prediction"].tolist()


@pytest.mark.parametrize("method", ["variational", "variational_conditional"])
@pytest.mark.parametrize("prediction", ["sampled", "mean"])
def test_a_distribution_tells_both_predictions_and_their_spread(tiny_clip, method, prediction):
    more = {"initial_log_variance": -1.0} if method == "variational" else {}
    settings = {**VARIATIONAL, "prediction": prediction, **more}
    made = learner(tiny_clip, method, **settings)
    features, labels = images(tiny_clip), torch.zeros(7, dtype=torch.int64)
    table = predict(made, features, labels)
    sampled = made.sampled(features)
    assert sampled.samples.shape == (3, 7, 3)
    chosen = {"sampled": sampled.samples.mean(0), "mean": sampled.mean}
    torch.testing.assert_close(made.logits(features).softmax(-1), chosen[prediction])
    torch.testing.assert_close(sampled.probabilities, chosen[prediction])
    assert table["prediction"].tolist() == table[f"{prediction}_prediction"].tolist()
    for way, probabilities in chosen.items():
        assert table[f"{way}_prediction"].tolist() == probabilities.argmax(-1).tolist()
    for image, row in enumerate(table.itertuples()):
        each = [sample[image][row.prediction].item() for sample in sampled.samples]
        mean = sum(each) / 3
        deviation = math.sqrt(sum((x - mean) ** 2 for x in each) / 3)
        assert row.spread == pytest.approx(deviation, rel=1e-3, abs=1e-7)
    assert (table["spread"] > 0).all()


def test_without_variance_the_samples_agree(tiny_clip):
    made = learner(tiny_clip, "variational", initial_log_variance=-60.0, **VARIATIONAL)
    table = predict(made, images(tiny_clip), torch.zeros(7, dtype=torch.int64))
    assert table["spread"].max() < 1e-5
    assert table["sampled_prediction"].tolist() == table["mean_prediction"].tolist()


SETS = ([2, 0], [1], [0, 1, 2])
ANY_CLASSES = [n for n in RECIPES if not resolve_recipe(n, RECIPES).bound_to_classes]


@pytest.mark.parametrize("name", ANY_CLASSES)
def test_some_of_the_classes_are_as_if_there_were_no_others(name, embedded):
    """A learner of these classes alone says the same, whatever the method."""
    recipe = resolve_recipe(name, RECIPES)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    made = build_plain(recipe, embedded, CLASSES).eval().requires_grad_(False)
    features = images(made)
    for among, table in zip(SETS, predict_among(made, features, labels, SETS), strict=True):
        shown = [image for image, label in enumerate(labels.tolist()) if label in among]
        assert table.index.tolist() == shown
        names = ClassTexts(tuple(CLASSES.names[label] for label in among), CLASSES.template)
        alone = build_plain(recipe, embedded, names).eval().requires_grad_(False)
        alone.make_room(made.state_dict())
        alone.load_state_dict(made.state_dict())
        places = torch.tensor([among.index(labels[image]) for image in shown])
        expected = predict(alone, features[shown], places)
        exact = ["label", "prediction"]
        assert table[exact].to_numpy().tolist() == expected[exact].to_numpy().tolist()
        for column in ("probability", "entropy", *({"spread"} & set(table))):
            assert table[column].to_numpy() == pytest.approx(expected[column], rel=1e-3, abs=1e-5)
        for column in ("top", "top_probability"):
            found, asked = (torch.tensor(t[column].tolist()) for t in (table, expected))
            torch.testing.assert_close(found, asked, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ANY_CLASSES)
def test_an_image_is_predicted_alone_as_among_others(name, embedded):
    made = build_plain(resolve_recipe(name, RECIPES), embedded, CLASSES).eval()
    features = images(made)
    with torch.no_grad():
        together = made.logits(features)
        alone = torch.cat([made.logits(feature[None]) for feature in features])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["coop", "variational"])
def test_images_of_no_class_are_predicted_as_outsiders(tiny_clip, method):
    """Images of other classes, and of none that the learner knows, among some of its classes."""
    chosen = {
        "coop": {"class_specific": False, "class_position": "end"},
        "variational": {**VARIATIONAL, "initial_log_variance": -8.0},
    }
    made = learner(tiny_clip, method, **chosen[method])
    features, labels = images(tiny_clip), torch.tensor([0, -1, 2, 0, 1, 2, -1])
    inside, outside = predict_among(made, features, labels, [(2, 0)], outsiders_of=(2, 0))
    assert inside.index.tolist() == [0, 2, 3, 5]
    assert inside["label"].tolist() == [1, 0, 1, 0]
    assert outside.index.tolist() == [1, 4, 6]
    assert set(outside["label"]) == {-1}
    everyone = torch.zeros(7, dtype=torch.int64)  # the same images, if they were of these classes
    (expected,) = predict_among(made, features, everyone, [(2, 0)])
    assert outside["prediction"].tolist() == expected.loc[[1, 4, 6], "prediction"].tolist()
    assert outside["probability"].to_numpy() == pytest.approx(
        expected.loc[[1, 4, 6], "probability"], rel=1e-5
    )
    assert ("energy" in outside) == (method == "coop")


def test_energy_is_that_of_the_logits_among_the_set(tiny_clip):
    coop = learner(tiny_clip, "coop", class_specific=False, class_position="end")
    features, labels = images(tiny_clip), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    (table,) = predict_among(coop, features, labels, [(0, 1)])
    logits = coop.logits(features)[[0, 1, 3, 4, 6]][:, :2]
    assert table["energy"].to_numpy() == pytest.approx(logits.exp().sum(-1).log(), rel=1e-5)


def test_probabilities_too_small_for_single_precision_keep_their_ranks(tiny_clip, monkeypatch):
    coop = learner(tiny_clip, "coop", class_specific=False, class_position="end")
    monkeypatch.setattr(coop, "logits", lambda features: torch.tensor([[-300.0, 0.0, -200.0]]))
    row = predict(coop, images(tiny_clip)[:1], torch.tensor([0])).iloc[0]
    assert row["top_probability"] == [1, 0, 0]
    assert row["top"] == [1, 2, 0]


def test_predictions_that_are_no_numbers_end_the_run(tiny_clip, monkeypatch):
    trained = learner(tiny_clip, "coop", class_specific=False, class_position="end")
    monkeypatch.setattr(trained, "logits", lambda features: features @ features.T * float("nan"))
    labels = torch.zeros(7, dtype=torch.int64)
    with pytest.raises(UserError, match="what was trained predicts NaN"):
        predict_among(trained, images(tiny_clip), labels, [range(len(trained.classes.names))])
