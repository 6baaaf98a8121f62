"""Cases of a recipe in a run: which held is what was trained, stored, recorded and logged."""

from __future__ import annotations

import mlflow
import pytest

from pipelines.project import CELL
from vlprompt_pipeline.methods.trained import TrainedPrompt

CASES = """
recipes:
  coop:
    cases:
      - when: {protocol: [base_to_new], shots: [4]}
        prompt: {length: 2, init: null}
      - when: {dataset: [demo_counts]}
        training: {lr: 0.01, epochs: 9}
      - when: {protocol: [few_shot]}
        prompt: {length: 8}
"""


@pytest.fixture
def with_cases(project):
    (project.root / "conf/local/parameters_recipes.yml").write_text(CASES)
    yield project
    mlflow.set_tracking_uri(None)


def test_the_cases_that_hold_are_trained_stored_recorded_and_logged(with_cases, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with_cases.run({"methods": ["coop"], "tracking": {"enabled": True}})
    prompt = TrainedPrompt.load(with_cases.path("06_models", "coop/prompt.safetensors"))
    recipe = prompt.resolved_recipe()
    assert (recipe.prompt.length, recipe.training.lr) == (2, 0.01)
    assert recipe.training.epochs == 3, "the command line has the last word"
    assert prompt.state["context"].shape[-2] == 2
    record = with_cases.json("08_reporting/records", "coop.json", CELL)
    assert record["methods"][0]["tuned_per_dataset"] is True
    client = mlflow.MlflowClient(f"sqlite:///{with_cases.root / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("vlprompt").experiment_id])
    (child,) = (run for run in runs if run.data.tags.get("method") == "coop")
    assert child.data.params["prompt.length"] == "2"
    assert child.data.params["training.lr"] == "0.01"
    assert child.data.params["tuned_per_dataset"] == "True"


def test_a_wrong_case_ends_the_run_before_it_starts(with_cases):
    broken = CASES.replace("shots: [4]", "shot: [4]")
    (with_cases.root / "conf/local/parameters_recipes.yml").write_text(broken)
    message = with_cases.refusal({"methods": ["zero_shot"]})
    assert message.startswith("recipes.coop.cases[0].when: unknown key 'shot'")
    assert with_cases.files() == {}
