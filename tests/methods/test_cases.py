"""Cases: settings by protocol, dataset and shots, alone, in order, and through `extends`."""

from __future__ import annotations

import pytest

from learners import COOP as RANDOM_COOP
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import Recipe, Situation, recipes_in, resolve_recipe

COOP = {
    **RANDOM_COOP,
    "prompt": {**RANDOM_COOP["prompt"], "init": "a photo of a"},
    "training": {**RANDOM_COOP["training"], "epochs": 200},
}
FEW_SHOT = {"when": {"protocol": ["few_shot"]}, "prompt": {"length": 16, "init": None}}
EUROSAT = {"when": {"dataset": ["eurosat"]}, "training": {"epochs": 7}}
ONE_SHOT = {"when": {"protocol": ["few_shot"], "shots": [1]}, "training": {"epochs": 50}}


def resolve(
    cases=(), situation=("few_shot", "dtd", 16), name="coop", last=None, **others
) -> Recipe:
    """The recipe `name` beside a `coop` with these cases."""
    recipes = {"coop": {**COOP, "cases": list(cases)}, **others}
    return resolve_recipe(name, recipes_in(Situation(*situation), recipes, last))


@pytest.mark.parametrize(
    ("situation", "length", "epochs", "tuned"),
    [
        (("base_to_new", "dtd", 16), 4, 200, False),
        (("few_shot", "dtd", 16), 16, 200, False),
        (("few_shot", "dtd", 1), 16, 50, False),
        (("base_to_new", "dtd", 1), 4, 200, False),
        (("base_to_new", "eurosat", 1), 4, 7, True),
        (("few_shot", "eurosat", 16), 16, 7, True),
        (("few_shot", "eurosat", 1), 16, 50, True),
    ],
)
def test_every_case_that_fits_holds_and_the_last_word_counts(situation, length, epochs, tuned):
    found = resolve([FEW_SHOT, EUROSAT, ONE_SHOT], situation)
    assert (found.prompt.length, found.training.epochs) == (length, epochs)
    assert found.prompt.init == (None if length == 16 else "a photo of a")
    assert found.prompt.class_position == "end", "what a case does not name stays"
    assert found.tuned_per_dataset == tuned


@pytest.mark.parametrize(
    ("prompt", "tuned"),
    [({"templates": "photo"}, False), ({"templates": "photo", "length": 2}, True)],
)
def test_texts_are_written_for_a_dataset_and_not_tuned_on_it(prompt, tuned):
    case = {"when": {"dataset": ["dtd"]}, "prompt": prompt}
    found = recipes_in(Situation("few_shot", "dtd", 1), {"kgcoop": {"cases": [case]}})
    assert found["kgcoop"].get("tuned_per_dataset", False) == tuned


def test_a_child_gets_its_parent_as_it_is_in_the_situation():
    child = {"extends": "coop", "title": "QCoOp", "quantize": {"bits": 1}}
    found = resolve([FEW_SHOT, ONE_SHOT], ("few_shot", "dtd", 1), "qcoop", qcoop=child)
    assert (found.prompt.length, found.training.epochs) == (16, 50)
    assert found.quantize.bits == 1
    tuned = resolve([EUROSAT], ("few_shot", "eurosat", 1), "qcoop", qcoop=child)
    assert tuned.tuned_per_dataset


def test_a_childs_own_settings_win_over_its_parents_cases_and_its_own_cases_over_both():
    child = {"extends": "coop", "title": "Child", "training": {"epochs": 100}}
    situation = ("few_shot", "dtd", 1)
    found = resolve([FEW_SHOT, ONE_SHOT], situation, "child", child=child)
    assert (found.prompt.length, found.training.epochs) == (16, 100)
    child["cases"] = [{"when": {"shots": [1]}, "training": {"epochs": 10}}]
    found = resolve([FEW_SHOT, ONE_SHOT], situation, "child", child=child)
    assert (found.prompt.length, found.training.epochs) == (16, 10)


def test_the_command_line_has_the_last_word():
    last = {"coop": {"training": {"epochs": 3}}}
    found = resolve([FEW_SHOT, ONE_SHOT], ("few_shot", "dtd", 1), last=last)
    assert (found.prompt.length, found.training.epochs) == (16, 3)


def test_cases_that_come_with_the_last_word_hold_over_it():
    last = {"coop": {"training": {"epochs": 3}, "cases": [ONE_SHOT]}}
    found = resolve([ONE_SHOT], ("few_shot", "dtd", 1), last=last)
    assert found.training.epochs == 50


def test_a_case_may_take_a_section_away():
    child = {"extends": "coop", "quantize": {"bits": 1}}
    child["cases"] = [{"when": {"shots": [1]}, "quantize": None}]
    assert resolve((), ("few_shot", "dtd", 1), "child", child=child).quantize is None
    assert resolve((), ("few_shot", "dtd", 2), "child", child=child).quantize.bits == 1
    child["cases"][0]["test_time"] = {"views": 8}
    assert resolve((), ("few_shot", "dtd", 1), "child", child=child).views == 8


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (
            {"when": {"protocol": ["few_shot"]}, "promt": {"length": 2}},
            "recipes.coop.cases[0]: unknown key 'promt' (did you mean 'prompt'?); allowed: ",
        ),
        (
            {"when": {"datset": ["dtd"]}, "prompt": {"length": 2}},
            "recipes.coop.cases[0].when: unknown key 'datset' (did you mean 'dataset'?); allowed: ",
        ),
        (
            {"when": {}, "prompt": {"length": 2}},
            "recipes.coop.cases[0].when is {}: give protocol, dataset or shots, each a list",
        ),
        ({"prompt": {"length": 2}}, "recipes.coop.cases[0].when is missing"),
        (
            {"when": {"shots": [1]}, "method": "cocoop"},
            "recipes.coop.cases[0].method: a case changes settings alone; make another method a ",
        ),
        (
            {"when": {"shots": [1]}, "extends": "cocoop"},
            "recipes.coop.cases[0].extends: a case changes settings alone",
        ),
        (
            {"when": {"protocol": ["fewshot"]}},
            "recipes.coop.cases[0].when.protocol is ['fewshot']: protocols are base_to_new, ",
        ),
        (
            {"when": {"shots": 16}},
            "recipes.coop.cases[0].when.shots is 16: input should be a valid tuple",
        ),
        ({"when": {"dataset": []}}, "recipes.coop.cases[0].when.dataset is []: "),
        ("dtd", "recipes.coop.cases[0] is 'dtd': give when and the settings that hold then"),
    ],
)
def test_what_is_no_case_is_refused_even_where_it_would_not_hold(case, sentence):
    with pytest.raises(ConfigError) as refused:
        resolve([case], ("cross_dataset", "food101", 3))
    assert str(refused.value).startswith(sentence)


def test_cases_are_a_list():
    recipes = {"coop": {**COOP, "cases": FEW_SHOT}}
    with pytest.raises(ConfigError, match="recipes.coop.cases is .*: give a list of cases"):
        recipes_in(Situation("few_shot", "dtd", 1), recipes)


def test_a_wrong_setting_of_a_case_that_holds_is_refused_as_one_of_the_recipe():
    case = {"when": {"shots": [1]}, "training": {"epoch": 3}}
    with pytest.raises(ConfigError, match="recipes.coop.training: unknown key 'epoch'"):
        resolve([case], ("few_shot", "dtd", 1))


def test_cases_are_never_passed_over_in_silence():
    with pytest.raises(ConfigError, match="recipes.coop.cases: settings differ by protocol"):
        resolve_recipe("coop", {"coop": {**COOP, "cases": [FEW_SHOT]}})


@pytest.mark.parametrize(
    ("setting", "shots", "number"),
    [("500 * shots", 3, 1500), ("1 / shots", 5, 0.2), ("0.5*shots", 3, 1.5), ("1/shots", 1, 1)],
)
def test_a_setting_may_follow_the_number_of_shots(setting, shots, number):
    coop = {**COOP, "training": {**COOP["training"], "lr": 1, "weight_decay": setting}}
    child = {
        "extends": "coop",
        "cases": [{"when": {"shots": [9]}, "training": {"lr": "2 * shots"}}],
    }
    recipes = {"coop": coop, "child": child}
    found = resolve_recipe("child", recipes_in(Situation("few_shot", "dtd", shots), recipes))
    assert found.training.weight_decay == number
    assert found.training.lr == 1
    found = resolve_recipe("child", recipes_in(Situation("few_shot", "dtd", 9), recipes))
    assert found.training.lr == 18


def test_a_command_line_may_follow_the_number_of_shots():
    last = {"coop": {"training": {"epochs": "2 * shots"}}}
    assert resolve((), ("few_shot", "dtd", 3), last=last).training.epochs == 6


def test_words_that_look_like_it_are_words():
    coop = {
        "coop": {**COOP, "title": "500 shots", "prompt": {**COOP["prompt"], "init": "1 / shot"}}
    }
    recipe = recipes_in(Situation("few_shot", "dtd", 3), coop)["coop"]
    assert (recipe["title"], recipe["prompt"]["init"]) == ("500 shots", "1 / shot")
