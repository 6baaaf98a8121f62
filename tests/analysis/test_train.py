"""Runs: trained once, scored as they ship, found again after a stop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from analysis.material import RECIPES, analysis, material
from simulated_gpu import simulated_gpu
from vlprompt_pipeline.analysis import ResultStore, make_plan, post_training, train_runs
from vlprompt_pipeline.analysis.runs import Run
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.methods import build_learner, quantize_after, resolve_recipe
from vlprompt_pipeline.methods.gda import GDA
from vlprompt_pipeline.training import train

ALL = 10_000  # prompts at once


@pytest.fixture
def store(tmp_path) -> ResultStore:
    return ResultStore(tmp_path)


def _run(name: str, seed: int = 1) -> Run:
    return Run.of(resolve_recipe(name, RECIPES), seed)


def _alone(data, name: str, seed: int = 1):
    """The learner that the training pipeline would make."""
    recipe = resolve_recipe(name, RECIPES)
    learner = build_learner(recipe, data.clip, data.classes["base"], seed)
    train(learner, data.batches(learner, recipe, seed), recipe.training)
    return learner


@pytest.mark.parametrize("name", ["coop", "qcoop", "rlp", "kgcoop"])
def test_a_followed_run_is_the_ordinary_training(tiny_clip, store, name):
    data = material(tiny_clip)
    runs = {_run(name): True, _run(name, 2): True}
    result = train_runs(runs, data, store, ALL)[_run(name)]
    learner = _alone(data, name)
    for key, tensor in learner.state_dict().items():
        torch.testing.assert_close(result.state[key], tensor, rtol=0, atol=1e-5)
    assert result.contexts.shape == (4, 4, 32)  # before training and after each of three epochs
    torch.testing.assert_close(result.contexts[-1], learner.context.detach(), rtol=0, atol=1e-5)
    assert result.correct.shape == (4, 2)
    assert int(result.correct[-1, 0]) == data.correct("base", learner)
    for half, (name_, total) in enumerate((("base", 50), ("new", 50))):
        assert result.scores[f"{name_}_total"] == total
        assert abs(result.scores[f"{name_}_correct"] - int(result.correct[-1, half])) <= 1  # fp16


def test_the_first_moment_is_before_training(tiny_clip, store):
    data = material(tiny_clip)
    result = train_runs({_run("coop"): True}, data, store, ALL)[_run("coop")]
    before = build_learner(resolve_recipe("coop", RECIPES), tiny_clip, data.classes["base"], 1)
    torch.testing.assert_close(result.contexts[0], before.context.detach())
    assert not torch.allclose(result.contexts[0], result.contexts[-1])


def test_what_is_on_disk_is_not_trained_again(tiny_clip, store):
    data = material(tiny_clip)
    runs = {_run("coop", 1): True, _run("coop", 2): True, _run("kgcoop"): False}
    first = train_runs(runs, data, store, ALL)
    idle = replace(data, batches=lambda *_: pytest.fail("it trains"))
    again = train_runs(runs, idle, store, ALL)
    for run, result in first.items():
        assert again[run].scores == result.scores
        for key, tensor in result.state.items():
            assert torch.equal(again[run].state[key], tensor)
    with pytest.raises(pytest.fail.Exception):
        train_runs({_run("rlp"): True}, idle, store, ALL)


def test_a_stopped_analysis_goes_on(tiny_clip, store):
    data = material(tiny_clip)
    runs = {_run("coop", seed): True for seed in (1, 2, 3)}
    trained = []

    def stops_at_the_second(learner, recipe, seed):
        trained.append(seed)
        if trained == [1, 2]:
            raise KeyboardInterrupt
        return data.batches(learner, recipe, seed)

    stopped = replace(data, batches=stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        train_runs(runs, stopped, store, prompts_at_once=3)  # three classes: one prompt at a time
    assert len(list(store.root.glob("*.safetensors"))) == 1
    results = train_runs(runs, stopped, store, prompts_at_once=3)
    assert trained == [1, 2, 2, 3]
    together = train_runs(runs, data, ResultStore(store.root / "other"), ALL)
    for run in runs:
        torch.testing.assert_close(results[run].contexts, together[run].contexts, rtol=0, atol=1e-5)


def test_on_a_gpu_what_is_fitted_takes_kernels_that_repeat_their_bits(
    tiny_clip, tiny_clip_folder, tmp_path, monkeypatch
):
    def fit(learner, few_shot):
        strict.append(torch.are_deterministic_algorithms_enabled())
        return its_own(learner, few_shot)

    strict, its_own = [], GDA.fit
    monkeypatch.setattr(GDA, "fit", fit)
    runs = {_run("gda"): False, _run("coop"): True}
    on_cpu = train_runs(runs, material(tiny_clip), ResultStore(tmp_path / "cpu"), ALL)
    with simulated_gpu():
        clip = load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cuda", precision="fp32")
        on_gpu = train_runs(runs, material(clip), ResultStore(tmp_path / "gpu"), ALL)
    assert strict == [False, True]
    for run in runs:
        assert on_gpu[run].scores == on_cpu[run].scores
    assert torch.equal(on_gpu[_run("coop")].correct, on_cpu[_run("coop")].correct)


def test_a_broken_file_is_made_again(tiny_clip, store):
    data = material(tiny_clip)
    first = train_runs({_run("coop"): False}, data, store, ALL)[_run("coop")]
    (path,) = store.root.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    again = train_runs({_run("coop"): False}, data, store, ALL)[_run("coop")]
    assert torch.equal(again.state["context"], first.state["context"])


def test_the_fingerprint_follows_what_the_result_depends_on(tiny_clip):
    data, run = material(tiny_clip), _run("coop")
    other = material(tiny_clip)
    other.described[1] = "other images"
    prints = [
        run.fingerprint(data, True),
        run.fingerprint(data, False),
        run.fingerprint(other, True),
        _run("coop", 2).fingerprint(data, True),
        _run("qcoop").fingerprint(data, True),
    ]
    assert len(set(prints)) == len(prints)
    renamed = {**RECIPES, "coop": {**RECIPES["coop"], "title": "Another title"}}
    same = Run.of(resolve_recipe("coop", renamed), 1)
    assert same == run
    assert same.fingerprint(data, True) == prints[0]


def test_prompts_in_the_image_tower_see_the_images_their_own_way(tiny_clip):
    data = material(tiny_clip)
    learner = build_learner(resolve_recipe("maple", RECIPES), tiny_clip, data.classes["new"], 1)
    seen: list = []
    own = replace(data, encode=lambda encoder: seen.append(encoder) or data.encode(encoder))
    with torch.no_grad():
        right = own.correct("new", learner)
        logits = learner.logits(data.encode(None))
    assert len(seen) == 1 and seen[0] is not tiny_clip
    assert right == data.test["new"].correct(logits)


def test_post_training_quantizes_what_training_left(tiny_clip, store):
    data, asked = material(tiny_clip), analysis(ablation_bits=3)
    plan = make_plan(asked, RECIPES, 1)
    results = train_runs(plan.runs(), data, store, ALL)
    table = post_training(plan, results, data, asked)
    assert set(table["quantizer"]) == {"kmeans", "stochastic"}  # noise has nothing to do afterwards
    assert set(table.query("bits == 3")["quantizer"]) == {"kmeans"}  # for the ablation
    row = table.query("quantizer == 'kmeans' and bits == 2 and seed == 2").iloc[0]
    learner = quantize_after(_alone(data, "coop", 2), plan.quantization[2].recipe.quantize)
    assert abs(row["base"] - 100 * data.correct("base", learner) / 50) < 1e-9
    assert row["payload_bytes"] == 4 * 32 * 2 / 8 + 2 * 4
