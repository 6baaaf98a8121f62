"""Parameters: complete, frozen, and refused in one sentence that says what is allowed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from learners import RECIPES
from vlprompt_pipeline.config import ClipParameters, FeatureParameters, TrainingParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import parse, unknown
from vlprompt_pipeline.run_parameters import RunParameters, parse_run_parameters

VALUES: dict[str, Any] = {
    "dataset": "demo_counts",
    "dataset_root": "data/01_raw",
    "split": "official",
    "own_data": {
        "template": "a photo of a {}.",
        "class_names": None,
        "split": {"train": 0.5, "val": 0.2, "test": 0.3, "seed": 1},
    },
    "protocol": "base_to_new",
    "base_to_new": {"dataset": "demo_counts", "shots": 16, "base_share": 0.5},
    "few_shot": {"dataset": "demo_counts", "shots": 16, "curve": [1, 2, 4, 8, 16]},
    "cross_dataset": {"dataset": "demo_counts", "shots": 16, "targets": ["dtd"]},
    "domain_generalisation": {"dataset": "imagenet", "shots": 16, "targets": "shifts"},
    "shots": 16,
    "seed": 1,
    "methods": ["coop"],
    "device": "auto",
    "clip": {"name": "demo", "source": "embedded"},
    "features": {
        "train": "cached",
        "views": 8,
        "crop_scale": [0.7, 1.0],
        "batch_size": 256,
        "shard_size": 2048,
        "workers": 2,
        "decoding": "auto",
    },
    "tracking": {"enabled": True, "experiment": "vlprompt", "uri": "sqlite:///mlflow.db"},
    "recipes": {"zero_shot": {"method": "zero_shot"}, "coop": {"method": "coop"}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The values with one of them replaced, or removed if it is `...`."""
    values = copy.deepcopy(VALUES)
    *sections, key = path.split(".")
    place = values
    for section in sections:
        place = place[section]
    place[key] = value
    if value is ...:
        del place[key]
    return values


def refusal(values: Any, model: type = RunParameters, **where: str) -> str:
    with pytest.raises(ConfigError) as caught:
        if model is RunParameters:
            parse_run_parameters(values)
        else:
            parse(model, values, **where)
    return str(caught.value)


def test_values_are_read_and_cannot_be_changed():
    parameters = parse_run_parameters(VALUES)
    assert parameters.features.crop_scale == (0.7, 1.0)
    assert parameters.methods == ("coop",)
    with pytest.raises(ValidationError):
        parameters.seed = 2


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("shots", "four", "parameters.shots is 'four': input should be a valid integer"),
        ("seed", -1, "parameters.seed is -1: input should be greater than or equal to 0"),
        ("seed", 1.5, "parameters.seed is 1.5: input should be a valid integer"),
        ("device", "gpu", "parameters.device is 'gpu': input should be 'auto', 'cpu', 'cuda' or "),
        ("dataset", "../etc", "parameters.dataset is '../etc': a dataset's name stands in paths; "),
        ("dataset", "", "parameters.dataset is '': a dataset's name stands in paths; rename the "),
        ("dataset", "average", "parameters.dataset is 'average': 'average' is the row of means "),
        ("dataset", "a\n", "parameters.dataset is 'a\\n': a dataset's name stands in paths; "),
        ("split", "new", "parameters.split is 'new': input should be 'official' or 'random'"),
        (
            "own_data.template",
            "a photo",
            "parameters.own_data.template is 'a photo': a template has {} once, where the class ",
        ),
        (
            "own_data.split.test",
            0.5,
            "parameters.own_data.split is {'train': 0.5, 'val': 0.2, 'test': 0.5, 'seed': 1}: the "
            "shares train, val and test make 1.2, not 1",
        ),
        (
            "cross_dataset.targets",
            "dtd+",
            "parameters.cross_dataset.targets is 'dtd+': a dataset's name stands in paths; ",
        ),
        (
            "domain_generalisation.targets",
            ["../etc"],
            "parameters.domain_generalisation.targets is ['../etc']: a dataset's name stands in ",
        ),
        ("own_data.split.test", 0, "parameters.own_data.split.test is 0: input should be greater "),
        ("clip.name", "", "parameters.clip.name is '': string should match pattern "),
        ("clip", 3, "parameters.clip is 3: input should be a valid dictionary or instance of "),
        ("clip.source", ..., "parameters.clip.source is missing; set it in conf or with --params"),
        ("features", ..., "parameters.features is missing; set it in conf or with --params"),
        ("features.views", 0, "parameters.features.views is 0: input should be greater than or "),
        ("features.train", "live", "parameters.features.train is 'live': input should be 'cached'"),
        ("features.crop_scale", [0, 1], "parameters.features.crop_scale.0 is 0: input should be "),
        (
            "features.crop_scale",
            [1, 0.5],
            "parameters.features.crop_scale is [1, 0.5]: the smallest share of the image goes "
            "first, then the largest",
        ),
        (
            "tracking.on",
            True,
            "parameters.tracking: unknown key 'on'; allowed: ",
        ),
        ("data_root", "s3:/b", "parameters.data_root is 's3:/b': a place has two slashes behind "),
        ("dataset_root", "gs:b", "parameters.dataset_root is 'gs:b': a place has two slashes "),
        ("data_root", "~nobody-here/x", "~nobody-here/x: there is no home folder ~nobody-here;"),
        ("recipes.My Own", {}, "parameters.recipes.My Own"),
        ("threads", 0, "parameters.threads is 0: input should be 'auto', or input should be "),
        ("methods", None, "parameters.methods is None: input should be a valid tuple, or "),
    ],
)
def test_wrong_values_are_told_with_their_place(path, value, sentence):
    assert refusal(changed(path, value)).startswith(sentence)


def test_all_that_is_wrong_is_told_at_once():
    values = changed("shots", 0)
    values["deviice"] = "cpu"
    message = refusal(values)
    assert "parameters.shots is 0" in message
    assert "parameters: unknown key 'deviice' (did you mean 'device'?); allowed: " in message


def test_the_place_is_as_the_caller_names_it():
    message = refusal({"name": "x"}, ClipParameters, where="clip of the sweep")
    assert message == "clip of the sweep: source is missing; set it in conf or with --params"


def test_a_value_that_is_no_section_at_all():
    assert refusal(["a", "list"]).startswith("parameters is ['a', 'list']: input should be ")


def test_names_far_from_all_others_get_no_suggestion():
    assert unknown("here", "key", "zzz", ["views", "train"]) == (
        "here: unknown key 'zzz'; allowed: views, train"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["coop"], ("coop",)),
        (["coop", "zero_shot", "coop"], ("coop", "zero_shot")),
        ("coop", ("coop",)),
        ("coop+zero_shot", ("coop", "zero_shot")),
        ("all", ("zero_shot", "coop")),
        (["all"], ("zero_shot", "coop")),
        ("coop+all", ("coop", "zero_shot")),
    ],
)
def test_methods_are_a_list_all_or_names_joined_by_plus(asked, expected):
    assert parse_run_parameters(changed("methods", asked)).selected_methods() == expected


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "methods: none given; name recipes of parameters_recipes.yml or all"),
        (
            ["cop"],
            "methods: unknown method 'cop' (did you mean 'coop'?); allowed: zero_shot, coop, all",
        ),
        ("coop+", "methods: unknown method ''; allowed: zero_shot, coop, all"),
        ("coop, zero_shot", "methods: unknown method 'coop, zero_shot'"),
    ],
)
def test_methods_that_do_not_exist(asked, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_run_parameters(changed("methods", asked)).selected_methods()
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("key", sorted(TrainingParameters.model_fields))
def test_no_setting_of_training_has_a_hidden_default(key):
    """Required, or stated in conf by CoOp with the value it has where it is left out."""
    training = dict(RECIPES["coop"]["training"])
    stated = parse(TrainingParameters, training)
    del training[key]
    if TrainingParameters.model_fields[key].is_required():
        assert refusal(training, TrainingParameters).startswith(f"parameters.{key} is missing")
    else:
        assert parse(TrainingParameters, training) == stated


@pytest.mark.parametrize("lengths", [{"epochs": None}, {"epochs": 5, "steps": 8}])
def test_training_is_as_long_as_its_epochs_or_its_steps(lengths):
    given = {"batch_size": 4, "lr": 0.1, "momentum": 0, "weight_decay": 0}
    given |= {"warmup_epochs": 0, "warmup_lr": 0, **lengths}
    sentence = "give epochs or steps, and null for the other"
    assert refusal(given, TrainingParameters).endswith(sentence)


def test_features_are_stated_in_full():
    assert all(field.is_required() for field in FeatureParameters.model_fields.values())
