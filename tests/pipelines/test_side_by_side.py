"""Runs whose prompt trains side by side with those of other seeds and recipes."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from kedro.runner import ThreadRunner

from pipelines.project import CELL, DATASET, Project, miniature
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.training import loop

RECIPES = ["coop", "qcoop"]
TOGETHER = {"methods": RECIPES, "side_by_side": {"seeds": [1, 2], "methods": RECIPES}}


def cell(seed: int) -> str:
    return CELL.replace("seed1", f"seed{seed}")


def prompt(project: Project, method: str, seed: int) -> TrainedPrompt:
    return TrainedPrompt.load(project.path("06_models", f"{method}/prompt.safetensors", cell(seed)))


def prompts(project: Project) -> dict[tuple[str, int], TrainedPrompt]:
    return {(method, seed): prompt(project, method, seed) for method in RECIPES for seed in (1, 2)}


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Project:
    """Both seeds and both recipes, trained as one group."""
    project = Project.create(tmp_path_factory.mktemp("together") / "project")
    with pytest.MonkeyPatch.context() as patch:  # before the fixture for each test
        patch.setitem(IMAGE_DATASETS, DATASET, miniature())
        for seed in (1, 2):
            project.run({**TOGETHER, "seed": seed})
    return project


def test_prompts_are_those_that_train_alone(together, project):
    for seed in (1, 2):
        project.run({"methods": RECIPES, "seed": seed})
    alone = prompts(project)
    for key, found in prompts(together).items():
        context, expected = (
            next(v for n, v in each.state.items() if n.endswith("original"))
            if key[0] == "qcoop"
            else each.state["context"]
            for each in (found, alone[key])
        )
        torch.testing.assert_close(context, expected, rtol=0, atol=1e-5)
        assert found.provenance["side_by_side"] == [
            [name, seed] for name in RECIPES for seed in (1, 2)
        ]
        assert "side_by_side" not in alone[key].provenance
        assert found.provenance["few_shot_sha256"] == alone[key].provenance["few_shot_sha256"]
    assert not torch.equal(
        prompt(together, "coop", 1).state["context"], prompt(together, "coop", 2).state["context"]
    )


def test_the_first_run_trains_all_and_the_others_find_theirs(together, project, monkeypatch):
    project.run({**TOGETHER, "seed": 1, "methods": ["qcoop"]})
    monkeypatch.setattr(loop, "train_epoch", None)
    project.run({**TOGETHER, "seed": 1, "methods": ["coop"]})
    project.run({**TOGETHER, "seed": 2})
    for key, found in prompts(project).items():
        expected = prompts(together)[key].state
        assert all(torch.equal(found.state[name], expected[name]) for name in expected), key
    for name in ("history.csv", "clusterings.parquet"):
        path = f"qcoop/{name}"
        ours, theirs = (p.path("06_models", path, cell(2)) for p in (project, together))
        assert ours.read_bytes() == theirs.read_bytes()
    record = project.json("08_reporting/reproducibility", "coop/reproducibility.json", cell(2))
    assert "a prompt side by side" in record["runs"][-1]["not_measured"][-1]


def test_a_group_that_was_killed_goes_on_with_the_same_bits(together, project, monkeypatch):
    epochs, epoch = [], loop.train_epoch

    def killed_once(steps, batches, number, rate):
        epochs.append(number)
        if epochs == [0, 1, 2]:
            raise KeyboardInterrupt
        return epoch(steps, batches, number, rate)

    monkeypatch.setattr(loop, "train_epoch", killed_once)
    with pytest.raises(KeyboardInterrupt):
        project.run({**TOGETHER, "seed": 1})
    project.run({**TOGETHER, "seed": 1})
    assert epochs == [0, 1, 2, 2], "two epochs were done, and the second recipe finds its prompt"
    for method in RECIPES:
        found, expected = (prompt(p, method, 1).state for p in (project, together))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not list(project.path("06_models").glob("checkpoints/*.safetensors")), (
        "the group has its own file"
    )


def test_nodes_that_run_at_once_train_the_group_once(together, project, monkeypatch):
    epochs, epoch = [], loop.train_epoch
    monkeypatch.setattr(loop, "train_epoch", lambda *a: (epochs.append(1), epoch(*a))[1])
    project.run({**TOGETHER, "seed": 1}, runner=ThreadRunner())
    assert len(epochs) == 3
    for method in RECIPES:
        found, expected = (prompt(p, method, 1).state for p in (project, together))
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_verify_repeats_the_group_without_being_told(together):
    together.run({"methods": RECIPES, "seed": 2}, stages=("verify",))


def test_verify_with_another_group_says_that_it_was_another(together):
    alone = {"methods": RECIPES, "seed": 2, "side_by_side": {"seeds": [2], "methods": ["coop"]}}
    refused = together.refusal(alone, stages=("verify",))
    assert "parameters.side_by_side.seeds: [1, 2] then, [2] now" in refused


def test_what_no_one_run_can_make_again_is_verified_apart(together, project):
    shutil.copytree(together.data, project.data, dirs_exist_ok=True)
    project.run({"methods": ["coop"], "seed": 2, "side_by_side": {"seeds": [2, 3]}})
    refused = project.refusal({"seed": 2, "methods": RECIPES}, stages=("verify",))
    assert refused == (
        "coop trained in the group coop 2, coop 3; qcoop trained in the group coop 1, coop 2, "
        "qcoop 1, qcoop 2: no one run makes them all again; verify them apart, with "
        "--params=methods=coop"
    )
    project.run({"seed": 2, "methods": ["qcoop"]}, stages=("verify",))
    project.run({"seed": 2, "methods": ["coop"]}, stages=("verify",))


def test_a_prompt_that_trains_in_another_group_is_another_result(together):
    file = together.data / "08_reporting/completion" / cell(1) / "coop.json"
    stored = json.loads(file.read_text())
    assert stored["side_by_side"] == {"seeds": [1, 2], "methods": RECIPES}


@pytest.mark.parametrize(
    ("side_by_side", "told"),
    [
        ({"seeds": [2, 3]}, "side_by_side.seeds: 2, 3 are without the run's seed 1; add it"),
        ({"methods": ["coop", "qcop"]}, "side_by_side.methods: unknown recipe 'qcop'"),
        ({"seeds": "1+2+1"}, "side_by_side.seeds is '1+2+1': 1 is listed twice"),
        ({"seeds": "1+x"}, "side_by_side.seeds.1 is 'x'"),
        ({"seed": [1]}, "unknown key 'seed' (did you mean 'seeds'?)"),
    ],
)
def test_a_wrong_group_is_refused_before_anything_runs(project, side_by_side, told):
    assert told in project.refusal({"side_by_side": side_by_side})
