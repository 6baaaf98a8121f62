from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.evaluation.scores import nested_scores
from vlprompt_pipeline.image_datasets import ClassSubset
from vlprompt_pipeline.protocols import PROTOCOLS, ProtocolParameters, choose_classes
from vlprompt_pipeline.protocols.choices import choices

BASE, NEW = ClassSubset((0, 1), ("cat", "dog")), ClassSubset((2,), ("hen",))
SECTION = ProtocolParameters(dataset="dtd", shots=16)
BOTH = {"base": BASE, "new": NEW}


def test_each_half_among_its_own_classes_and_both_among_all():
    own_base, own_new, together = choices(BOTH, bound=False)
    assert (own_base.classes, own_base.halves) == (BASE, ("base", "base"))
    assert (own_new.classes, own_new.halves) == (NEW, ("new",))
    assert together.classes == ClassSubset((0, 1, 2), ("cat", "dog", "hen"))
    assert together.halves == ("generalised_base", "generalised_base", "generalised_new")


def test_all_classes_are_in_label_order_whichever_are_base():
    base, new = ClassSubset((1, 2), ("dog", "hen")), ClassSubset((0,), ("cat",))
    together = choices({"base": base, "new": new}, bound=False)[-1]
    assert together.classes == ClassSubset((0, 1, 2), ("cat", "dog", "hen"))
    assert together.halves == ("generalised_new", "generalised_base", "generalised_base")


def test_what_is_bound_to_its_classes_is_scored_on_them_alone():
    (only,) = choices(BOTH, bound=True)
    assert only.classes == BASE
    assert choices({"target": BASE}, bound=True) == []


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_dataset_of_one_class_is_no_task(name):
    section = SimpleNamespace(dataset="dtd", shots=16, base_share=0.5)
    with pytest.raises(DataError, match="at least (two|2) classes"):
        PROTOCOLS[name].class_subsets(["cat"], section)


@pytest.mark.parametrize(
    "chosen", [None, {"base": BASE}, {"base": BASE, "new": ClassSubset((1, 2), ("dog", "hen"))}]
)
def test_subsets_that_make_no_sense_are_refused(monkeypatch, chosen):
    monkeypatch.setattr(PROTOCOLS["base_to_new"], "class_subsets", lambda *given: chosen)
    settings = {"dataset": "dtd", "shots": 16, "base_share": 0.5}
    with pytest.raises(ConfigError, match="class_subsets of base_to_new: return a dictionary of"):
        choose_classes("base_to_new", settings, ("cat", "dog", "hen"))


@pytest.mark.parametrize("name", ["base", "target"])
def test_one_set_of_classes_has_nothing_beside_it(name):
    half = PROTOCOLS["cross_dataset"].class_subsets(["cat", "dog"], SECTION)["base"]
    (only,) = choices({name: half}, bound=False)
    assert only.halves == (name, name)


def test_scores_are_stored_with_h_and_those_among_all_classes_apart():
    scores = {
        half: {"accuracy": accuracy}
        for half, accuracy in {
            "base": 80.0,
            "new": 60.0,
            "generalised_base": 60.0,
            "generalised_new": 40.0,
        }.items()
    }
    assert nested_scores(scores) == {
        "base": {"accuracy": 80.0},
        "new": {"accuracy": 60.0},
        "harmonic_mean": pytest.approx(480 / 7),
        "generalised": {
            "base": {"accuracy": 60.0},
            "new": {"accuracy": 40.0},
            "harmonic_mean": pytest.approx(48.0),
        },
    }
    assert nested_scores({"base": scores["base"]}) == {"base": scores["base"]}
