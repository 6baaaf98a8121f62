"""Which run a file is put down to."""

from __future__ import annotations

import pytest
import torch
from kedro.config import OmegaConfigLoader

from conftest import ROOT
from reproducibility.runs import prompt, record, run
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.reproducibility.record import (
    _RESULT_PARAMETERS,
    Hashes,
    Record,
    Run,
    updated,
)


def makers(found: Record) -> dict[str, int]:
    """The minute in which the run that made each file began."""
    return {name: found.runs[file.run].started.minute for name, file in found.files.items()}


def test_a_run_that_finds_everything_made_leaves_the_record():
    first = record(1, prompt="a", predictions="b")
    assert updated(None, first) is first
    assert updated(first, record(2, prompt="a", predictions="b")) == first
    assert updated(first, record(2, predictions="b")) == first


def test_a_file_belongs_to_the_run_that_made_its_bytes():
    first = record(1, prompt="a", predictions="b")
    second = updated(first, record(2, prompt="a", predictions="c"))
    assert makers(second) == {"prompt": 1, "predictions": 2}
    third = updated(second, record(3, predictions="d", packed_prompt="e"))
    assert makers(third) == {"prompt": 1, "predictions": 3, "packed_prompt": 3}
    assert len(third.runs) == 2, "the run whose predictions are gone is forgotten"
    assert makers(updated(third, record(4, prompt="f"))) == {
        "prompt": 4,
        "predictions": 3,
        "packed_prompt": 3,
    }


def test_stages_that_are_run_one_by_one_are_all_kept():
    trained = record(1, prompt="a")
    exported = updated(trained, record(2, packed_prompt="b"))
    scored = updated(exported, record(3, predictions="c"))
    assert makers(scored) == {"prompt": 1, "packed_prompt": 2, "predictions": 3}


def test_it_comes_back_from_json_as_it_was():
    found = record(1, prompt="a")
    assert Record.read(found.model_dump(mode="json")) == found
    with pytest.raises(ConfigError, match="reproducibility record: files"):
        Record.read({**found.model_dump(mode="json"), "files": {}})


def test_the_recipe_has_a_hash_that_does_not_depend_on_the_order_of_keys():
    context = torch.zeros(2, 3)
    one = prompt(context, title="CoOp", training={"lr": 0.1, "epochs": 2})
    other = prompt(context, training={"epochs": 2, "lr": 0.1}, title="CoOp")
    changed = prompt(context, training={"epochs": 3, "lr": 0.1}, title="CoOp")
    assert Hashes.of(one) == Hashes.of(other)
    assert Hashes.of(one).recipe != Hashes.of(changed).recipe


def test_what_is_not_measured_is_said():
    made = {"started": run(1).started, "ended": run(1).ended, "seconds": 1.0}
    made |= {"cpu_seconds": 1.0, "peak_memory_bytes": 1}
    conf = OmegaConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="base")
    told = {"pipelines": ["cell"], "runner": "ThreadRunner", "parameters": conf["parameters"]}
    whole = Run.of(made, nodes={"train_coop": 1.0}, found_trained=False, **told)
    assert [text.partition(":")[0] for text in whole.not_measured] == ["energy"]
    assert whole.parameters["features"]["views"] == conf["parameters"]["features"]["views"]
    assert "base_share" in whole.parameters["base_to_new"], "the section of the protocol"
    assert not {"few_shot", "cross_dataset", "domain_generalisation"} & set(whole.parameters)
    assert set(_RESULT_PARAMETERS) < set(whole.parameters)
    assert not {"recipes", "tracking", "methods"} & set(whole.parameters)
    lacking = Run.of(made, nodes={}, found_trained=True, **told)
    assert lacking.nodes is None
    assert [text.partition(":")[0] for text in lacking.not_measured] == [
        "energy",
        "seconds of nodes",
        "training",
    ]
