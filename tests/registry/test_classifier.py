"""A packaged prompt labels images as its learner does, whatever the method."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from learners import CLASSES, RECIPES, predict, unit_vectors
from registry.packages import contents_of
from shipping.models import card_of
from simulated_gpu import simulated_gpu
from vlprompt_pipeline.clip import EvaluationView, load_clip
from vlprompt_pipeline.clip.copying import copy_clip
from vlprompt_pipeline.errors import ConfigError, DataError, PromptFileError, WeightsError
from vlprompt_pipeline.export import ClassifierWeights, load_learner, pack, pack_learner
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.methods.gda import GDA
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.maple import MaPLe
from vlprompt_pipeline.methods.variational import Variational
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.classifier import BATCH, INCLUDED, Classifier
from vlprompt_pipeline.registry.image_bytes import image_bytes
from vlprompt_pipeline.registry.ranking import ranked_table

NEW = ("old green house", "river")
BOUND = ("tip_adapter", "linear_probe")
METHODS = ("zero_shot", "coop", "cocoop", "maple", "variational", "clip_lora", *BOUND)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict:
    """Encoded pictures by path, more than the tower takes at once."""
    folder, draws = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    found = {}
    for number in range(BATCH + 3):
        pixels = draws.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        path = folder / f"{number:03d}.png"
        Image.fromarray(pixels).save(path)
        found[path] = path.read_bytes()
    return found


def learned(name: str, clip):
    """A recipe and its packed prompt."""
    recipe = RECIPES[name]
    depths = {key: 2 for key in ("depth", "image_depth") if key in recipe.get("prompt", {})}
    recipe = resolve_recipe("r", {**RECIPES, "r": {"extends": name, "prompt": depths}})
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    if learner.fitted:
        images = unit_vectors(6, clip.embed_dim)
        labels = torch.arange(6) % 3
        learner.fit(FewShotFeatures(images, labels, images, labels))
    return recipe, pack(pack_learner(learner, recipe))


def classifier_of(name: str, clip, decoding="published") -> Classifier:
    recipe, packed = learned(name, clip)
    card = card_of(recipe, clip, CLASSES, decoding)
    head = ClassifierWeights.of(load_learner(packed, recipe, clip, CLASSES), recipe.title)
    return Classifier(ModelCard.model_validate_json(card.to_json()), clip, packed, head)


@pytest.mark.parametrize(
    ("name", "part"), [("maple", MaPLe), ("gda", GDA), ("variational", Variational)]
)
def test_what_depends_on_no_image_is_computed_once(name, part, tiny_clip, monkeypatch):
    constant = part.constants[-1]
    asked, own = [], getattr(part, constant)
    monkeypatch.setattr(part, constant, lambda self: (asked.append(self), own(self))[1])
    classifier = classifier_of(name, tiny_clip)
    asked.clear()
    features = unit_vectors(2, tiny_clip.embed_dim)
    for names in (NEW, CLASSES.names, NEW):
        scores = classifier.logits(features, names)
        assert (classifier.logits(features, names) == scores).all()
    assert len(asked) == 2, "once for each set of classes"


@pytest.mark.parametrize("name", METHODS)
def test_labels_and_scores_are_those_of_the_learner(name, tiny_clip, pictures):
    recipe, packed = learned(name, tiny_clip)
    classifier = classifier_of(name, tiny_clip)
    view = EvaluationView(tiny_clip.preprocessing)
    pixels = torch.cat([view.pixels(path, "") for path in pictures])
    for names in [CLASSES.names] if name in BOUND else [CLASSES.names, NEW]:
        learner = load_learner(packed, recipe, tiny_clip, ClassTexts(names, CLASSES.template))
        features = learner.image_side().encode_images(pixels)
        expected = predict(learner, features, torch.zeros(len(pixels), dtype=torch.long))
        said = classifier.classify(list(pictures.values()), names, top=2)
        assert said["label"].tolist() == [names[i] for i in expected["prediction"]]
        np.testing.assert_allclose(said["score"], expected["probability"], rtol=1e-4)
        for row, ranked in zip(said["top_labels"], expected["top"], strict=True):
            assert row == [names[i] for i in ranked[:2]]
    assert classifier.classify([]).empty


def test_on_a_gpu_it_labels_as_on_the_cpu(tiny_clip, tiny_clip_folder, pictures):
    images = list(pictures.values())
    reference = classifier_of("coop", tiny_clip).classify(images, top=2)
    with simulated_gpu():
        clip = load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cuda", precision="fp32")
        said = classifier_of("coop", clip).classify(images, top=2)
    assert said["top_labels"].tolist() == reference["top_labels"].tolist()
    np.testing.assert_allclose(said["score"], reference["score"], rtol=1e-4)


def test_bytes_base64_and_what_is_neither(tiny_clip, pictures):
    classifier, image = classifier_of("coop", tiny_clip), next(iter(pictures.values()))
    text = base64.b64encode(image)
    for given in (text, text.decode(), base64.encodebytes(image).decode()):
        assert torch.equal(classifier.pixels(given), classifier.pixels(image))
    for wrong, said in [
        (b"\xff\xd8 nothing", "these bytes cannot be read as an image"),
        (image[: len(image) // 2], "these bytes cannot be read as an image"),
        (b"", "of no known format"),
        ("ü", "not base64"),
        ("@", "not base64"),
        (None, "this is empty: give the bytes of an image file, or their base64"),
        (3.5, "this is a number: give"),
        (np.zeros((4, 4, 3), dtype=np.uint8), "this is a numpy.ndarray: give"),
        (Image.new("RGB", (4, 4)), "this is a PIL.Image.Image: give"),
    ]:
        with pytest.raises(DataError, match=said) as caught:
            classifier.pixels(wrong)
        assert "object at" not in str(caught.value)


@pytest.mark.parametrize("kind", ["BMP", "PPM"])
def test_a_dark_picture_whose_file_is_ascii_is_no_text(kind):
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), (9, 20, 30)).save(stream, kind, dpi=(72, 72))
    content = stream.getvalue()
    assert content.isascii()
    assert image_bytes(content) == content == image_bytes(base64.b64encode(content))


def test_each_bad_row_answers_for_itself(tiny_clip, pictures):
    classifier, (first, second) = classifier_of("coop", tiny_clip), list(pictures.values())[:2]
    said = classifier.classify([None, first, b"no image", second])
    alone = classifier.classify([first, second])
    columns = ["label", "top_labels", "top_scores", "problem"]
    assert said.loc[[1, 3], columns].to_numpy().tolist() == alone[columns].to_numpy().tolist()
    assert said["label"].tolist()[::2] == [None, None]
    assert said["score"].isna().tolist() == [True, False, True, False]
    assert said["top_labels"].tolist()[::2] == [[], []]
    assert alone["problem"].tolist() == [None, None]
    assert [problem.partition(":")[0] for problem in said["problem"].tolist()[::2]] == [
        "this is empty",
        "this text is not base64 of an image file (Only base64 data is allowed)",
    ]
    only_bad = classifier.classify([None] * (BATCH + 1))
    assert only_bad["problem"].notna().all()
    assert len(only_bad) == BATCH + 1


def test_images_are_decoded_as_the_evaluation_did(tiny_clip):
    """A picture that a camera held upside down."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3
    ramp = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    ramp.save(stream, "JPEG", exif=exif)
    published, seen = (
        classifier_of("zero_shot", tiny_clip, way).pixels(stream.getvalue())
        for way in ("published", "as_seen")
    )
    assert not torch.equal(published, seen)
    torch.testing.assert_close(published, seen.flip(1, 2), atol=0.2, rtol=0)


@pytest.mark.parametrize(
    ("names", "top", "said"),
    [
        (("cat", "cat"), 1, "holds 'cat' and 'cat', which read the same: give each class once"),
        (("sea_gull", "sea gull"), 1, "holds 'sea_gull' and 'sea gull', which read the same"),
        (("Cat", "cat"), 1, "holds 'Cat' and 'cat', which are the same text to CLIP tiny: give"),
        (("cat", " "), 1, r"class_names\[1\] is ' '"),
        (("cat", 3), 1, r"class_names\[1\] is 3"),
        ((), 0, "top_k is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(names, top, said, tiny_clip, pictures):
    with pytest.raises(ConfigError, match=said):
        classifier_of("coop", tiny_clip).classify(list(pictures.values())[:1], names, top)


@pytest.mark.parametrize("name", BOUND)
def test_a_bound_method_knows_no_other_classes(name, tiny_clip, pictures):
    classifier, images = classifier_of(name, tiny_clip), list(pictures.values())[:2]
    assert len(classifier.classify(images, CLASSES.names)) == 2
    with pytest.raises(ConfigError, match="serves the 3 classes of its training only"):
        classifier.classify(images, NEW)


def test_another_clip_is_refused_and_one_that_is_included_is_found(
    tiny_clip, tiny_clip_folder, tmp_path, pictures
):
    classifier = classifier_of("coop", tiny_clip)
    (tmp_path / "card.json").write_text(classifier.card.to_json())
    (tmp_path / "prompt.vlp").write_bytes(learned("coop", tiny_clip)[1])
    copy_clip(f"local-dir:{tiny_clip_folder}", tmp_path / "clip")
    files = {"card": "card.json", "prompt": "prompt.vlp", "clip": "clip"}
    files = {name: str(tmp_path / file) for name, file in files.items()}
    images = list(pictures.values())[:4]
    included = Classifier.load(files, INCLUDED, "cpu").classify(images)
    assert included["label"].tolist() == classifier.classify(images)["label"].tolist()
    np.testing.assert_allclose(included["score"], classifier.classify(images)["score"], rtol=1e-5)
    with pytest.raises(
        WeightsError, match="belongs to another CLIP .*embedded has the weights .*--clip"
    ):
        Classifier.load(files, "embedded", "cpu")


def test_of_equal_scores_the_first_class_is_best():
    names = tuple(map(str, range(40)))
    every_second = np.tile(np.array([0, 1], np.float32), (2, 20))  # a quick sort mixes these
    table = ranked_table(every_second, names, 4, None)
    assert table["label"].tolist() == ["1", "1"]
    assert table["top_labels"].tolist() == [["1", "3", "5", "7"]] * 2


def test_a_card_of_a_clip_with_an_unknown_part(tmp_path):
    made = contents_of("coop").classifier.card.model_dump(mode="json") | {
        "clip_identity": {"colour": "x"}
    }
    (tmp_path / "card.json").write_text(json.dumps(made))
    with pytest.raises(PromptFileError, match="is no card of a packaged prompt"):
        ModelCard.load(tmp_path / "card.json")


@pytest.mark.parametrize("template", ["", "{}{}", "{:>99999999999}", "a {} of {x}"])
def test_a_card_of_a_stranger_with_a_template_that_is_none(tmp_path, template):
    card = contents_of("zero_shot").classifier.card.model_copy(update={"template": template})
    (tmp_path / "card.json").write_text(card.to_json())
    with pytest.raises(PromptFileError, match="template: a template has {} once"):
        ModelCard.load(tmp_path / "card.json")


def test_a_card_that_is_none(tmp_path):
    for content in ("", "{}", '{"recipe": 1}'):
        (tmp_path / "card.json").write_text(content)
        with pytest.raises(PromptFileError, match="is no card of a packaged prompt"):
            ModelCard.load(tmp_path / "card.json")
    with pytest.raises(PromptFileError, match="register it again"):
        ModelCard.load(tmp_path / "gone.json")


def test_a_clip_knows_where_it_came_from(tiny_clip, tiny_clip_folder):
    assert tiny_clip.source == f"local-dir:{tiny_clip_folder}"
    assert load_clip("embedded", "demo", "cpu").source == "embedded"
