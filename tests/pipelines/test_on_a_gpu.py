"""A cell on a GPU, which is simulated, is that of the CPU, and a model of it is registered."""

from __future__ import annotations

import math
from collections.abc import Iterator

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from pipelines.project import DATASET
from simulated_gpu import Graph, simulated_gpu
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.methods.gda import GDA

METHODS = ("zero_shot", "coop", "qcoop")
FITTED = ("clap", "gda", "linear_probe", "lp_plus_plus", "tip_adapter")


@pytest.fixture
def gpu() -> Iterator[type[Graph]]:
    with simulated_gpu() as graphs:
        yield graphs


def require_near(ours, reference, path: str) -> None:
    if isinstance(reference, dict):
        assert ours.keys() == reference.keys()
        for name, value in reference.items():
            require_near(ours[name], value, f"{path}.{name}")
    elif isinstance(reference, float):
        assert math.isclose(ours, reference, abs_tol=1e-3), path
    else:
        assert ours == reference, path


def test_it_is_evaluated_as_on_the_cpu(finished, project, gpu):
    project.run({"device": "cuda", "precision": "fp32"})
    assert gpu.replayed > 0
    for method in METHODS:
        ours, reference = (
            each.json("07_model_output", f"{method}/metrics.json") for each in (project, finished)
        )
        require_near(ours, reference, method)


def test_methods_that_are_fitted_take_kernels_that_repeat_their_bits(project, gpu, monkeypatch):
    def fit(learner, few_shot):
        strict.append(torch.are_deterministic_algorithms_enabled())
        return its_own(learner, few_shot)

    strict, its_own = [], GDA.fit
    monkeypatch.setattr(GDA, "fit", fit)
    run = {"precision": "fp32", "methods": list(FITTED), "protocol": "few_shot"}
    cell = f"demo/{DATASET}/few_shot/shots4/seed1"
    metrics = []
    for device in ("cpu", "cuda"):
        project.run({**run, "device": device})
        metrics.append(
            {name: project.json("07_model_output", f"{name}/metrics.json", cell) for name in FITTED}
        )
    assert strict == [False, True]
    require_near(*metrics, "")


def test_in_the_precision_of_a_gpu_it_is_registered(project, gpu, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert load_clip("embedded").arithmetic.precision == "bf16"
    cell = {"device": "cuda", "methods": ["qcoop"], "tracking": {"enabled": True}}
    project.run(cell)
    project.run({**cell, "registry": {"check_images": 6}}, stages=("register",))
    uri = f"sqlite:///{project.root / 'mlflow.db'}"
    version = MlflowClient(uri, uri).get_model_version_by_alias("demo_counts.qcoop", "candidate")
    metrics = project.json("07_model_output", "qcoop/metrics.json")
    assert version.tags["H"] == f"{metrics['harmonic_mean']:.2f}"
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
