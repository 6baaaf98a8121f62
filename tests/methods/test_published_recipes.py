"""The recipes of conf/vit_b16 against the numbers that are published, protocol by protocol."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from conftest import ROOT
from vlprompt_pipeline.methods import Recipe, Situation, recipes_in, resolve_recipe
from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS
from vlprompt_pipeline.settings import CONFIG_LOADER_ARGS


def conf(env: str) -> dict[str, dict[str, Any]]:
    return OmegaConfigLoader(str(ROOT / "conf"), env=env, **CONFIG_LOADER_ARGS)["parameters"][
        "recipes"
    ]


RECIPES = conf("vit_b16")
ELEVEN = tuple(sorted(PUBLISHED_DATASETS))
SHOTS = (1, 2, 4, 8, 16)
ANY_SHOTS = (*SHOTS, 3, 5, 12, 32)
"""With numbers that nobody has published of, which a formula covers."""
TRANSFER = ("cross_dataset", "domain_generalisation")
PROTOCOLS = ("base_to_new", "few_shot", *TRANSFER)
WORDS = "a photo of a"
BOTH = ("variational", "variational_conditional")


@cache
def recipes(*situation: str | int) -> dict[str, dict[str, Any]]:
    return recipes_in(Situation(*situation), RECIPES)


def published(name: str, *situation: str | int) -> Recipe:
    return resolve_recipe(name, recipes(*situation))


def at(recipe: Recipe, path: str) -> Any:
    """A setting of the recipe, such as `prompt.length`."""
    value: Any = recipe.model_dump()
    for key in path.split("."):
        value = value[key]
    return value


Row = tuple[str, str, str, int, dict[str, Any]]
"""(method, protocol, dataset, shots, settings)."""


def say(methods, protocols, datasets, shots, **settings) -> list[Row]:
    """The same settings, with `__` for a dot, for every combination."""
    found = {key.replace("__", "."): value for key, value in settings.items()}
    return [(*situation, found) for situation in product(methods, protocols, datasets, shots)]


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in ELEVEN if name not in names)


def averaged(mean: float, std: float) -> dict[str, dict[str, float]]:
    return {"prompt__aggregation": {"mean": mean, "std": std}}


def texts(name: str, own: dict[str, str], shots: tuple[int, ...] = (16,)) -> list[Row]:
    """Templates of the datasets that have others than CoOp's."""
    rows = say([name], PROTOCOLS, without(*own), shots, prompt__templates="benchmark")
    for dataset, template in own.items():
        rows += say([name], PROTOCOLS, [dataset], shots, prompt__templates=template)
    return rows


def everywhere() -> list[tuple[str, str, int]]:
    return list(product(PROTOCOLS, ELEVEN, SHOTS))


def dassl() -> Iterator[list[Row]]:
    """The optimizer of every method of the CoOp family and of MaPLe's."""
    sgd = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4}
    sgd |= {"warmup_epochs": 1, "warmup_lr": 1e-5, "drop_last": True}
    names = ("coop", "kgcoop", "prograd", "cocoop", *BOTH, "maple", "ivlp", "promptsrc")
    settings = {f"training__{key}": value for key, value in sgd.items()}
    yield say(names, PROTOCOLS, ELEVEN, SHOTS, **settings)


def coop() -> Iterator[list[Row]]:
    """4 words and 200 epochs, on ImageNet 50, in the protocols of the CoCoOp paper.

    In its own paper M = 16 at random, for 50, 100, 100, 200, 200 epochs, on ImageNet always 50.
    """
    coop = {"prompt__class_specific": False, "prompt__class_position": "end"}
    coop |= {"training__lr": 0.002, "training__batch_size": 32}
    words = coop | {"prompt__length": 4, "prompt__init": WORDS}
    drawn = coop | {"prompt__length": 16, "prompt__init": None}
    names, imagenet, others = ("coop", "qcoop"), ("imagenet",), without("imagenet")
    yield say(names, ["base_to_new"], others, [16], training__epochs=200, **words)
    yield say(names, ["base_to_new"], imagenet, [16], training__epochs=50, **words)
    yield say(names, TRANSFER, imagenet, [16], training__epochs=50, **words)
    for shots, epochs in zip(SHOTS, (50, 100, 100, 200, 200), strict=True):
        yield say(names, ["few_shot"], others, [shots], training__epochs=epochs, **drawn)
        yield say(names, ["few_shot"], imagenet, [shots], training__epochs=50, **drawn)
    # between and beyond those numbers: the epochs of the next smaller one
    for shots, epochs in ((3, 100), (5, 100), (7, 100), (12, 200), (32, 200)):
        yield say([*names, "prograd"], ["few_shot"], others, [shots], training__epochs=epochs)


def quantized_or_low_rank() -> Iterator[list[Row]]:
    """What follows from the published sizes."""
    yield say(["qcoop"], PROTOCOLS, ELEVEN, SHOTS, quantize__bits=1)
    yield say(["qmaple"], PROTOCOLS, ELEVEN, SHOTS, quantize__bits=4)
    low = {"low_rank__rank": 1, "prompt__length": 4, "prompt__init": WORDS}
    yield say(["rlp", "qrlp"], PROTOCOLS, ELEVEN, SHOTS, **low)


def kgcoop() -> Iterator[list[Row]]:
    """100 epochs of 128 images, weight 8."""
    settings = {"prompt__weight": 8.0, "prompt__length": 4, "prompt__init": WORDS}
    settings |= {"training__epochs": 100, "training__batch_size": 128, "training__lr": 0.002}
    yield say(["kgcoop"], PROTOCOLS, ELEVEN, SHOTS, **settings)
    yield texts("kgcoop", {"dtd": "a photo of a {}, a type of texture."})


def prograd() -> Iterator[list[Row]]:
    """M = 16; strength 0.8 with 8 and 16 shots on three datasets."""
    weaker = ("oxford_flowers", "dtd", "eurosat")
    few = ["few_shot"]
    for shots, epochs in zip(SHOTS, (50, 100, 100, 200, 200), strict=True):
        length = {"training__epochs": epochs, "training__batch_size": 32, "training__lr": 0.002}
        yield say(["prograd"], few, ELEVEN, [shots], prompt__length=16, **length)
        strength = 0.8 if shots in (8, 16) else 1.0
        yield say(["prograd"], few, weaker, [shots], prompt__strength=strength)
    yield say(["prograd"], few, weaker, [12], prompt__strength=0.8)
    yield say(["prograd"], few, without(*weaker), SHOTS, prompt__strength=1.0)
    own = {"oxford_pets": "a type of pet, a photo of a {}.", "dtd": "a texture of {}."}
    own |= {"oxford_flowers": "a type of flower, a photo of a {}."}
    own |= {"fgvc_aircraft": "a type of aircraft, a photo of a {}."}
    own |= {"food101": "a type of food, a photo of {}."}
    yield texts("prograd", own)


def cocoop() -> Iterator[list[Row]]:
    """10 epochs of single images in both of its protocols."""
    settings = {"prompt__length": 4, "prompt__init": WORDS, "training__epochs": 10}
    settings |= {"training__batch_size": 1, "training__lr": 0.002}
    yield say(["cocoop"], ["base_to_new"], ELEVEN, [16], **settings)
    yield say(["cocoop"], TRANSFER, ["imagenet"], [16], **settings)


def variational() -> Iterator[list[Row]]:
    """Samples and epochs by dataset."""
    by_dataset = {
        "caltech101": (20, 20),
        "oxford_pets": (40, 20),
        "stanford_cars": (20, 40),
        "oxford_flowers": (10, 40),
        "food101": (20, 20),
        "fgvc_aircraft": (10, 10),
        "sun397": (20, 10),
        "dtd": (40, 10),
        "eurosat": (20, 60),
        "ucf101": (5, 20),
        "imagenet": (10, 10),
    }
    step = {"training__batch_size": 1, "training__lr": 0.002, "prompt__kl_weight": 0.001}
    for dataset, (samples, epochs) in by_dataset.items():
        numbers = {"prompt__samples": samples, "training__epochs": epochs, **step}
        yield say(BOTH, ["base_to_new"], [dataset], [16], **numbers)
    ten = {"prompt__samples": 10, "training__epochs": 10}
    yield say(BOTH, TRANSFER, ["imagenet"], [16], **ten, **step)
    yield say(["variational"], PROTOCOLS, ELEVEN, SHOTS, prompt__initial_log_variance=None)


def maple() -> Iterator[list[Row]]:
    """Shallow and short where it is trained on ImageNet for other datasets."""
    settings = {"prompt__length": 2, "training__batch_size": 4}
    deep = {"prompt__depth": 9, "training__epochs": 5, "training__lr": 0.0035}
    shallow = {"prompt__depth": 3, "training__epochs": 2, "training__lr": 0.0026}
    yield say(["maple", "qmaple"], ["base_to_new"], ELEVEN, [16], **settings, **deep)
    yield say(["maple", "qmaple"], TRANSFER, ["imagenet"], [16], **settings, **shallow)


def siblings_of_maple() -> Iterator[list[Row]]:
    """Five epochs each, and whole towers."""
    five = {"training__epochs": 5, "training__batch_size": 4}
    ivlp = {"prompt__length": 2, "prompt__image_length": 2, "training__lr": 0.0035, **five}
    ivlp |= {"prompt__depth": 12, "prompt__image_depth": 12}
    language = {"prompt__length": 4, "prompt__depth": 12, "training__lr": 0.0025, **five}
    vision = {"prompt__length": 8, "prompt__depth": 12, "training__lr": 0.0025, **five}
    yield say(["ivlp"], ["base_to_new"], ELEVEN, [16], **ivlp)
    yield say(["deep_language"], ["base_to_new"], ELEVEN, [16], **language)
    yield say(["deep_vision"], ["base_to_new"], ELEVEN, [16], **vision)


def promptsrc() -> Iterator[list[Row]]:
    """The epochs whose prompts are averaged differ by protocol, and in few-shot by dataset."""
    source = {"prompt__length": 4, "prompt__image_length": 4, "prompt__templates": "imagenet_60"}
    source |= {"prompt__text_weight": 25, "prompt__image_weight": 10, "prompt__logit_weight": 1}
    source |= {"training__lr": 0.0025, "training__batch_size": 4}
    nine = source | {"prompt__depth": 9, "prompt__image_depth": 9}
    three = source | {"prompt__depth": 3, "prompt__image_depth": 3}
    name, twenty, fifty = ["promptsrc"], {"training__epochs": 20}, {"training__epochs": 50}
    yield say(name, ["base_to_new"], ELEVEN, [16], **averaged(15, 1), **twenty, **nine)
    yield say(name, TRANSFER, ["imagenet"], [16], **averaged(6, 10), **twenty, **three)
    late = ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")
    whole = ("imagenet", "caltech101", "oxford_pets", "food101", "ucf101", "sun397")
    yield say(name, ["few_shot"], whole, SHOTS, **averaged(30, 30), **fifty, **nine)
    yield say(name, ["few_shot"], late, SHOTS, **averaged(45, 5), **fifty, **nine)


def tcp() -> Iterator[list[Row]]:
    """Half the epochs on the two large datasets."""
    settings = {"prompt__length": 4, "prompt__layer": 8, "prompt__weight": 8.0}
    settings |= {"training__optimizer": "adam", "training__epsilon": 1e-3, "training__lr": 0.002}
    settings |= {"training__batch_size": 32, "training__drop_last": True}
    large = ("sun397", "imagenet")
    yield say(["tcp"], ["base_to_new"], without(*large), [16], training__epochs=50, **settings)
    yield say(["tcp"], ["base_to_new"], large, [16], training__epochs=25, **settings)
    own = {
        "dtd": "a photo of a {}, a type of texture.",
        "food101": "a photo of a {}, a type of food.",
    }
    yield texts("tcp", own | {"fgvc_aircraft": "a photo of an aircraft {}."})


def clip_lora() -> Iterator[list[Row]]:
    """500 steps a shot, one text for every dataset."""
    settings = {"prompt__rank": 2, "prompt__alpha": 1.0, "prompt__dropout": 0.25}
    settings |= {"prompt__template": "a photo of a {}."}
    settings |= {"training__optimizer": "adamw", "training__lr": 2e-4, "training__batch_size": 32}
    settings |= {"training__weight_decay": 0.01, "training__epochs": None}
    settings |= {"training__drop_last": False}
    for shots in ANY_SHOTS:
        yield say(
            ["clip_lora"], PROTOCOLS, ELEVEN, [shots], training__steps=500 * shots, **settings
        )


def tip_adapter() -> Iterator[list[Row]]:
    """Where α starts and how far α and β are searched: a file for each dataset."""
    ranges = {
        "imagenet": (1.17, 3.0, 7.0),
        "caltech101": (3.0, 5.0, 12.0),
        "oxford_pets": (1.17, 3.0, 7.0),
        "stanford_cars": (3.0, 10.0, 20.0),
        "oxford_flowers": (10.0, 50.0, 50.0),
        "food101": (1.17, 10.0, 10.0),
        "fgvc_aircraft": (5.0, 30.0, 30.0),
        "sun397": (1.17, 10.0, 12.0),
        "dtd": (2.0, 13.0, 13.0),
        "eurosat": (2.0, 10.0, 12.0),
        "ucf101": (3.0, 3.0, 7.0),
    }
    assert set(ranges) == set(ELEVEN)
    few, trained = ["few_shot"], ["tip_adapter_f"]
    for dataset, (initial, alpha, beta) in ranges.items():
        searched = {
            "prompt__alpha": {"initial": initial, "to": alpha, "steps": 20},
            "prompt__beta": {"initial": 1.0, "to": beta, "steps": 200},
        }
        yield say(["tip_adapter", *trained], few, [dataset], SHOTS, **searched)
        epochs = 100 if dataset == "eurosat" else 20
        yield say(trained, few, [dataset], SHOTS, training__epochs=epochs)
    settings = {"optimizer": "adamw", "lr": 0.001, "epsilon": 1e-4, "batch_size": 256}
    settings |= {"weight_decay": 0.01, "drop_last": False}
    settings = {f"training__{key}": value for key, value in settings.items()}
    yield say(trained, few, ELEVEN, SHOTS, **settings)
    for name in ("tip_adapter", *trained):
        yield texts(name, {"imagenet": "imagenet_select"}, SHOTS)


def others() -> Iterator[list[Row]]:
    """One number each, and ZERO's views."""
    yield say(["clip_adapter"], ["few_shot"], ELEVEN, SHOTS, prompt__ratio=0.2)
    yield say(["lp_plus_plus"], ["few_shot"], ELEVEN, SHOTS, prompt__steps=300)
    yield texts("lp_plus_plus", {"imagenet": "imagenet_select"}, SHOTS)
    zero = {"test_time__views": 64, "test_time__keep": 0.3, "prompt__templates": "photo"}
    yield say(["zero"], PROTOCOLS, ELEVEN, SHOTS, **zero)
    yield say(["linear_probe"], ["few_shot"], ELEVEN, SHOTS, prompt__bisections=8)


def on_features() -> Iterator[list[Row]]:
    """GDA, CLAP and ProLIP: their texts on ImageNet, one setting for every dataset."""
    texts = {"gda": "imagenet_select", "prolip": "imagenet_select"}
    texts |= dict.fromkeys(("clap", "zs_lp"), "imagenet_select+benchmark")
    for name, templates in texts.items():
        yield say([name], PROTOCOLS, ["imagenet"], SHOTS, prompt__templates=templates)
        yield say([name], PROTOCOLS, without("imagenet"), SHOTS, prompt__templates="benchmark")
    gda = {"prompt__covariance": "by_class", "prompt__new_classes": True}
    yield say(["gda"], ["base_to_new"], ELEVEN, [16], **gda)
    gda = {"prompt__covariance": "pooled", "prompt__new_classes": False}
    yield say(["gda"], ["few_shot"], ELEVEN, SHOTS, **gda)
    sgd = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "batch_size": 256}
    sgd |= {"epochs": 300, "warmup_epochs": 1, "warmup_lr": 1e-5}
    settings = {f"training__{key}": value for key, value in sgd.items()}
    yield say(["clap", "zs_lp"], PROTOCOLS, ELEVEN, SHOTS, **settings)
    yield say(["clap"], PROTOCOLS, ELEVEN, SHOTS, prompt__constraint=True)
    yield say(["zs_lp"], PROTOCOLS, ELEVEN, SHOTS, prompt__constraint=False)
    adam = {"optimizer": "adam", "lr": 1e-5, "epsilon": 1e-4, "weight_decay": 0.0}
    adam |= {"epochs": 300}
    settings = {f"training__{key}": value for key, value in adam.items()}
    for shots in ANY_SHOTS:
        yield say(["prolip"], PROTOCOLS, ELEVEN, [shots], prompt__weight=1 / shots, **settings)


def in_both_towers() -> Iterator[list[Row]]:
    """MMRL, MMA and 2SFS: their rates, epochs and what is set for each dataset."""
    held = {"stanford_cars": 7, "fgvc_aircraft": 6, "sun397": 6, "dtd": 6, "food101": 5}
    held |= {"oxford_flowers": 4, "ucf101": 3, "imagenet": 0.5, "caltech101": 0.5}
    held |= {"oxford_pets": 0.2, "eurosat": 0.01}
    both = ("base_to_new", "few_shot")
    for dataset, weight in held.items():
        width = 2048 if dataset == "eurosat" else 512
        yield say(["mmrl"], both, [dataset], SHOTS, prompt__weight=weight, prompt__width=width)
    yield say(["mmrl"], TRANSFER, ELEVEN, SHOTS, prompt__weight=0.2, training__epochs=1)
    yield say(["mmrl"], ["few_shot"], without("imagenet"), SHOTS, training__epochs=50)
    plus = ["mmrl_plus_plus"]
    long = {"training__epochs": 100, "training__lr": 0.002, "training__batch_size": 32}
    yield say(plus, ["few_shot"], without("imagenet"), SHOTS, **long)
    short = {"training__epochs": 5, "training__lr": 0.001, "training__batch_size": 32}
    yield say(["mmrl", *plus], both, ["imagenet"], SHOTS, **short)
    yield say(plus, PROTOCOLS, ELEVEN, SHOTS, prompt__width=512, prompt__projection_rank=64)
    mixed = {"imagenet": (0.9, 0.2), "fgvc_aircraft": (0.9, 2), "ucf101": (0.9, 3), "dtd": (0.9, 7)}
    mixed |= {"oxford_pets": (0.7, 0.01), "stanford_cars": (0.7, 6), "caltech101": (0.6, 3)}
    mixed |= {"sun397": (0.5, 3), "oxford_flowers": (0.4, 7), "eurosat": (0.2, 0.01)}
    mixed |= {"food101": (0.1, 1)}
    for dataset, (beta, weight) in mixed.items():
        settings = {"prompt__beta": beta, "prompt__weight": weight}
        yield say(["mmrl_plus_plus"], both, [dataset], SHOTS, **settings)
    settings = {"prompt__beta": 0.9, "prompt__weight": 0.1}
    yield say(["mmrl_plus_plus"], TRANSFER, ELEVEN, SHOTS, **settings)
    yield say(["mma"], PROTOCOLS, without("imagenet"), SHOTS, training__lr=0.0015)
    yield say(["mma"], PROTOCOLS, ["imagenet"], SHOTS, training__batch_size=128)
    settings = {"prompt__scale": 0.01, "prompt__evaluation_scale": 0.0065, "training__lr": 0.3}
    settings |= {"prompt__templates": "imagenet"}
    yield say(["mma_plus_plus"], ["base_to_new"], ELEVEN, [16], **settings)
    yield say(["mma_plus_plus"], TRANSFER, ELEVEN, [16], prompt__evaluation_scale=0.005)
    for shots in ANY_SHOTS:
        settings = {"training__steps": 300 * shots, "training__lr": 2e-4}
        settings |= {"training__drop_last": False}
        yield say(["two_stage"], PROTOCOLS, ELEVEN, [shots], training__restart=0.6, **settings)


TABLE = (
    dassl,
    coop,
    quantized_or_low_rank,
    kgcoop,
    prograd,
    cocoop,
    variational,
    maple,
    siblings_of_maple,
    promptsrc,
    tcp,
    clip_lora,
    tip_adapter,
    others,
    on_features,
    in_both_towers,
)
ROWS = [row for part in TABLE for rows in part() for row in rows]


def test_every_recipe_resolves_everywhere():
    for name, situation in product(RECIPES, everywhere()):
        assert published(name, *situation).method


def test_the_table_names_every_recipe_but_those_nothing_is_published_of():
    assert set(RECIPES) - {row[0] for row in ROWS} == {
        "zero_shot",
        "rlp_maple",
        "ivlp_low_rank",
        "rp_coop",  # ours
    }


@pytest.mark.parametrize("name", sorted({row[0] for row in ROWS}))
def test_settings_are_those_published(name):
    for _, *situation, settings in (row for row in ROWS if row[0] == name):
        recipe = published(name, *situation)
        found = {path: at(recipe, path) for path in settings}
        assert found == settings, situation


def test_own_photos_get_the_rates_and_depths_of_a_clip_of_published_size():
    """Those of conf/base are for the embedded CLIP."""
    photos = recipes_in(Situation("few_shot", "my_photos", 16), conf("photos"))
    sizes = {"depth", "image_depth", "layer", "first_block", "width", "projection_rank"}
    for name in RECIPES:
        ours, theirs = resolve_recipe(name, photos), published(name, "base_to_new", "dtd", 16)
        assert ours.training is None or ours.training.lr == theirs.training.lr, name
        for size in sizes & ours.prompt.model_fields_set:
            assert getattr(ours.prompt, size) == getattr(theirs.prompt, size), (name, size)


def test_what_is_tuned_per_dataset_says_so():
    def tuned(protocol: str, shots: int) -> set[tuple[str, str]]:
        return {
            (name, dataset)
            for name, dataset in product(RECIPES, ELEVEN)
            if published(name, protocol, dataset, shots).tuned_per_dataset
        }

    searched = set(product(("tip_adapter", "tip_adapter_f"), ELEVEN))
    own_epochs = {"kgcoop", "prograd"}  # they do not take CoOp's over
    coops = {name for name in RECIPES if extends(name, "coop")} - own_epochs
    imagenet = {(name, "imagenet") for name in coops}
    imagenet |= {("mma", "imagenet")}
    mmrl = {*product(["mmrl", "mmrl_plus_plus"], ELEVEN)}
    assert tuned("base_to_new", 16) == searched | imagenet | mmrl | {
        *product(BOTH, ELEVEN),
        *product(["tcp"], ("sun397", "imagenet")),
    }
    assert tuned("few_shot", 16) == searched | imagenet | mmrl | {
        *product(["promptsrc"], ELEVEN),
        *product(["prograd"], ("oxford_flowers", "dtd", "eurosat")),
    }
    assert tuned("few_shot", 4) == tuned("few_shot", 16) - {
        *product(["prograd"], ("oxford_flowers", "dtd", "eurosat")),
    }
    assert tuned("cross_dataset", 16) == searched | {("mma", "imagenet")}


def extends(name: str, ancestor: str) -> bool:
    parent = RECIPES[name].get("extends")
    return name == ancestor or (parent is not None and extends(parent, ancestor))
