"""Templates that ship and files of descriptions: what cannot be used is refused before training."""

from __future__ import annotations

import copy
import json
from weakref import WeakKeyDictionary

import pytest
import torch

from learners import CLASSES
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.export import pack, pack_learner, unpack
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.methods import texts as texts_module
from vlprompt_pipeline.methods.texts import MAX_TEMPLATE, TextParameters, class_texts, mean_features

LONGEST = "international " * 17 + "photos of é {}.."


def zero_shot(**prompt) -> Recipe:
    recipe = {"method": "zero_shot", "title": "Zero-shot", "prompt": {"templates": "none"} | prompt}
    return resolve_recipe("mine", {"mine": recipe})


@pytest.mark.parametrize("template", ["a photo\tof a {}.", "a photo of a {}.\n", f"{LONGEST}."])
def test_a_template_that_the_packed_prompt_cannot_hold_is_refused_with_the_recipe(template):
    with pytest.raises(ConfigError, match=r"recipes\.mine\.prompt\.templates is .*: a template is"):
        zero_shot(templates=template)


def test_the_longest_template_ships(tiny_clip):
    assert len(LONGEST.encode()) == MAX_TEMPLATE
    recipe = zero_shot(templates=LONGEST)
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    assert unpack(pack(pack_learner(learner, recipe))).metadata == {
        "templates": LONGEST,
        "clip": tiny_clip.identity.number,
    }


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (5, "recipes.mine.prompt.descriptions is 5: input should be a valid string"),
        (["a.yml"], "recipes.mine.prompt.descriptions is ['a.yml']: input should be a valid st"),
        ("nothing.yml", "prompt.descriptions: nothing.yml cannot be read (No such file or dir"),
        (
            "~nobody-here/a.yml",
            "~nobody-here/a.yml: there is no home folder ~nobody-here;",
        ),
    ],
    ids=str,
)
def test_descriptions_are_the_path_of_a_file(path, sentence):
    with pytest.raises(ConfigError) as refused:
        zero_shot(descriptions=path)
    assert str(refused.value).startswith(sentence)


def test_descriptions_stand_behind_the_templates_whatever_case_a_name_is_written_in(tmp_path):
    file = tmp_path / "descriptions.yml"
    file.write_text(
        "{Cat: [a cat purrs.], big_red_dog: [it barks., it is red.], boat: [it floats.]}"
    )
    recipe = zero_shot(templates="photo", descriptions=str(file))
    cat, dog, _ = class_texts(CLASSES, recipe.prompt)
    assert cat == ["a photo of a cat.", "a cat purrs."]
    assert dog == ["a photo of a big red dog.", "it barks.", "it is red."]


@pytest.mark.parametrize("ending", ["yml", "json"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"cat": [', "cannot be read"),
        ('["cat"]', "is no mapping; give {class name: [sentence, …]}"),
        ('{"cat": "it purrs."}', "the class 'cat' has no list of sentences; give"),
        ('{"cat": ["a"], "Cat": ["b"]}', "the class 'Cat' is there twice; give"),
        ('{"cat": ["a"]}', "has no sentence about the class 'big red dog'; add one, under"),
        ('{"cat": ["a"], "big red dog": []}', "has no sentence about the class 'big red dog'"),
    ],
)
def test_a_file_of_another_form_is_refused(content, sentence, ending, tmp_path):
    file = tmp_path / f"descriptions.{ending}"
    file.write_text(content)
    recipe = zero_shot(descriptions=str(file))
    with pytest.raises(ConfigError) as refused:
        class_texts(CLASSES, recipe.prompt)
    assert sentence in str(refused.value)


def test_a_file_that_changed_after_training_is_refused(tmp_path):
    path = tmp_path / "sentences.yml"
    path.write_text("cat: [a cat.]\nFire_Truck: [a red one., it is loud.]\n")
    chosen = TextParameters(templates="benchmark", descriptions=str(path))
    stored = TextParameters(**chosen.model_dump(mode="json"))
    classes = ClassTexts(("cat", "fire truck"), "a {}.")
    expected = [["a cat.", "a cat."], ["a fire truck.", "a red one.", "it is loud."]]
    assert class_texts(classes, stored) == expected
    path.write_text("cat: [a lion.]\nfire truck: [a red one.]\n")
    with pytest.raises(ConfigError, match="has changed since the prompt was trained"):
        class_texts(classes, stored)
    assert chosen != TextParameters(templates="benchmark", descriptions=str(path))


def test_texts_are_encoded_once_for_all_learners_of_a_run(tiny_clip, monkeypatch):
    encoded = []
    encode = FrozenClip.encode_texts_raw
    monkeypatch.setattr(
        FrozenClip,
        "encode_texts_raw",
        lambda clip, texts, **how: (encoded.append(len(texts)), encode(clip, texts, **how))[1],
    )
    recipe = zero_shot(templates="a drawing of the {}.")
    first, second = (build_learner(recipe, tiny_clip, CLASSES, seed=1) for _ in range(2))
    assert encoded == [len(CLASSES.names)]
    assert torch.equal(first.texts, second.texts)
    first.texts.zero_()
    third = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    assert torch.equal(third.texts, second.texts), "what a learner does to its texts is its own"

    adapted = copy.copy(tiny_clip)
    weights = [1.1 * weight for weight in tiny_clip.text.attention_weights()]
    adapted.text = tiny_clip.text.with_attention(weights)
    other = build_learner(recipe, adapted, CLASSES, seed=1)
    assert encoded == 2 * [len(CLASSES.names)]
    assert not torch.equal(other.texts, second.texts)
    build_learner(zero_shot(templates="a sketch of the {}."), tiny_clip, CLASSES, seed=1)
    assert len(encoded) == 3


def test_texts_of_other_classes_means_or_lengths_are_encoded_anew(tiny_clip, tmp_path):
    texts, classes = ["it purrs.", "it barks.", "it floats."], ClassTexts(("a", "b"), "{}")
    for raw in (False, True):
        encode = tiny_clip.encode_texts_raw if raw else tiny_clip.encode_texts
        features = encode(texts)
        for first in (1, 2):
            parts = {"a": texts[:first], "b": texts[first:]}
            path = tmp_path / f"{raw}{first}.json"
            path.write_text(json.dumps(parts))
            prompt = TextParameters(templates="none", descriptions=str(path))
            found = mean_features(tiny_clip, classes, prompt, raw=raw)
            expected = torch.stack([features[:first].mean(0), features[first:].mean(0)])
            torch.testing.assert_close(found, expected)
            found.zero_()  # what is kept is not what was given
            torch.testing.assert_close(mean_features(tiny_clip, classes, prompt, raw=raw), expected)
    long = f"{'so ' * 80}{{}}"
    path.write_text(json.dumps({name: [long.format(name)] for name in classes.names}))
    mean_features(tiny_clip, classes, TextParameters(templates="none", descriptions=str(path)))
    with pytest.raises(DataError, match="tokens"):  # only sentences are cut
        mean_features(tiny_clip, classes, TextParameters(templates=long))


def test_a_server_that_is_asked_for_ever_new_classes_keeps_few_of_them(tiny_clip, monkeypatch):
    monkeypatch.setattr(texts_module, "_ENCODED", WeakKeyDictionary())
    prompt = zero_shot(templates="photo").prompt
    names = [f"cat {number}" for number in range(70)]
    features = [mean_features(tiny_clip, ClassTexts((name,), "{}"), prompt) for name in names]
    (encoded,) = texts_module._ENCODED.values()
    assert len(encoded) == 64
    for kept, feature in zip(encoded.values(), features[-64:], strict=True):
        assert torch.equal(kept, feature)
