"""Versions are whole or not there: killed at every step, made by two processes at once."""

from __future__ import annotations

import os
import shutil
import signal

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from forks import exit_code, forked
from registry.drafts import STEPS, dying_after, open_registry, publish
from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import ConfigError, TrackingError, UserError
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.processes import Process
from vlprompt_pipeline.registry.loading import (
    find_version,
    list_versions,
    load_classifier,
    open_existing,
)
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION, ModelRegistry

RIGHT = {"base": [True, False, True], "new": [True, True]}
NAME = "cats.coop"


def open_models(registry: ModelRegistry) -> list:
    """Logged models that are neither swept nor done."""
    models = registry.client.search_logged_models([registry.experiment.number])
    return [model for model in models if "vlprompt.made_by" in model.tags]


@pytest.mark.parametrize("step", STEPS)
def test_a_registration_that_is_killed_leaves_a_whole_version_or_none(step, database, tmp_path):
    def killed() -> None:
        dying_after(step)
        publish(open_registry(database), tmp_path / "killed", "coop", RIGHT, seed="1")

    assert exit_code(forked(killed)) == -signal.SIGKILL

    registry = open_registry(database)
    made = STEPS.index(step) >= STEPS.index("create_model_version")
    versions = registry.versions(NAME)
    assert [version.number for version in versions] == ["1"] * made
    for version in versions:
        assert version.tags["seed"] == "1"
        assert version.tags["split_sha256"] == "s"
        assert len(registry.evidence(version)) == 5
        assert registry.client.get_model_version(NAME, "1").description == "version 1"
    named = STEPS.index(step) >= STEPS.index("set_registered_model_alias")
    assert (registry.holder(NAME, CANDIDATE) is not None) == named

    second = publish(registry, tmp_path / "second", "coop", RIGHT, seed="2")
    assert second.number == str(1 + made)
    assert registry.holder(NAME, CANDIDATE) == second
    assert registry.holder(NAME, CHAMPION) is None
    logged = registry.client.search_logged_models([registry.experiment.number])
    rows = registry.client.search_model_versions(f"name = '{NAME}'")
    assert {f"models:/{model.model_id}" for model in logged} == {row.source for row in rows}
    assert all(len(registry.evidence(version)) == 5 for version in registry.versions(NAME))


def test_evidence_that_a_server_does_not_give_is_not_said_to_be_gone(
    database, tmp_path, monkeypatch
):
    registry = open_registry(database)
    version = publish(registry, tmp_path / "version", "coop", RIGHT)

    def away(*given, **options) -> None:
        raise MlflowException("API request failed: Max retries exceeded with url: /artifacts")

    for name in ("list_artifacts", "download_artifacts"):
        monkeypatch.setattr(mlflow.artifacts, name, away)
    with pytest.raises(TrackingError, match="does not answer"):
        registry.evidence(version)


def test_registries_of_two_projects_are_kept_apart(database, fresh_store, tmp_path):
    answers = {"first": [True], "second": [True, False]}
    registries = {}
    for name, right in answers.items():
        (tmp_path / name).mkdir()
        shutil.copy(fresh_store, tmp_path / name / "mlflow.db")
        registries[name] = open_existing("sqlite:///mlflow.db", tmp_path / name)
        publish(registries[name], tmp_path / f"{name} version", "coop", {"base": right})
    assert "MLFLOW_TRACKING_URI" not in os.environ
    for name, right in answers.items():
        (version,) = registries[name].versions(NAME)
        assert sorted(registries[name].evidence(version)["right"]) == sorted(right)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{NAME}@champion", rf"{NAME} has version 1 \(candidate\), and kedro run"),
        (f"{NAME}@champ", rf"{NAME} has version 1 \(candidate\)$"),
        (f"{NAME}/7", f"{NAME} has version 1"),
        (f"{NAME}p@champion", rf"did you mean {NAME}\?$"),
        ("it's@champion", "kedro run --pipelines=register makes one"),
    ],
)
def test_a_model_without_that_version_is_told_with_those_that_it_has(
    database, tmp_path, name, said
):
    registry = open_registry(database)
    registry.nominate(publish(registry, tmp_path / "version", "coop", RIGHT))
    with pytest.raises(UserError, match=said):
        find_version(registry, name)


def test_models_of_others_are_listed_whatever_they_are_called(database, tmp_path):
    registry = open_registry(database)
    registry.client.create_registered_model("it's theirs")
    registry.client.create_model_version("it's theirs", str(tmp_path))
    assert [str(row.version) for row in list_versions(registry)] == ["it's theirs version 1"]


def test_a_model_that_a_server_does_not_give_is_not_said_to_be_none(database, monkeypatch):
    registry = open_registry(database)

    def away(*given) -> None:
        raise MlflowException("API request failed: Max retries exceeded with url: /api")

    monkeypatch.setattr(registry.client, "get_model_version_by_alias", away)
    with pytest.raises(TrackingError, match="does not answer"):
        find_version(registry, NAME)


def test_two_registrations_at_once_give_two_whole_versions(database, tmp_path):
    def one(seed: str) -> None:
        publish(open_registry(database), tmp_path / seed, "coop", RIGHT, seed=seed)

    started = [forked(lambda seed=seed: one(seed)) for seed in ("1", "2")]
    assert list(map(exit_code, started)) == [0, 0]
    registry = open_registry(database)
    versions = registry.versions(NAME)
    assert {version.tags["seed"] for version in versions} == {"1", "2"}
    assert {version.number for version in versions} == {"1", "2"}
    assert all(len(registry.evidence(version)) == 5 for version in versions)
    assert registry.holder(NAME, CANDIDATE) in versions
    assert open_models(registry) == []


def test_the_newer_of_two_at_once_is_the_candidate(database, tmp_path, monkeypatch):
    """The other one overtakes between this one's version and its alias."""
    slow, quick = open_registry(database), open_registry(database)
    create, others = slow.client.create_model_version, []

    def overtaken(*args, **kwargs):
        made = create(*args, **kwargs)
        others.append(publish(quick, tmp_path / "quick", "coop", RIGHT, seed="2"))
        return made

    monkeypatch.setattr(slow.client, "create_model_version", overtaken)
    assert publish(slow, tmp_path / "slow", "coop", RIGHT, seed="1").number == "1"
    assert [other.number for other in others] == ["2"]
    assert slow.holder(NAME, CANDIDATE) == others[0]


def test_a_page_has_the_number_that_another_registration_left_it(database, tmp_path, monkeypatch):
    slow, quick = open_registry(database), open_registry(database)
    create = slow.client.create_model_version

    def too_late(*args, **kwargs):
        publish(quick, tmp_path / "quick", "coop", RIGHT, seed="2")
        return create(*args, **kwargs)

    monkeypatch.setattr(slow.client, "create_model_version", too_late)
    assert publish(slow, tmp_path / "slow", "coop", RIGHT, seed="1").number == "2"
    pages = [slow.client.get_model_version(NAME, number).description for number in "12"]
    assert pages == ["version 1", "version 2"]


def test_a_registration_under_way_is_not_swept(database, tmp_path):
    """The process that made it lives: this one."""
    registry = open_registry(database)
    publish(registry, tmp_path / "other", "coop", RIGHT)
    model = registry.client.create_logged_model(
        registry.experiment.number,
        tags={
            "vlprompt.made_by": str(Process.current()),
            "vlprompt.registers": NAME,
        },
    )
    publish(registry, tmp_path / "mine", "coop", RIGHT)
    assert [found.model_id for found in open_models(registry)] == [model.model_id]


def test_versions_are_found_by_their_tags_and_aliases_answer_none(database, tmp_path):
    registry = open_registry(database)
    assert registry.versions(NAME) == []
    assert registry.holder(NAME, CHAMPION) is None
    first = publish(registry, tmp_path / "1", "coop", RIGHT, contents_sha256="a")
    publish(registry, tmp_path / "2", "coop", RIGHT, contents_sha256="b")
    assert registry.versions(NAME, contents_sha256="a") == [first]
    registry.nominate(first)
    assert registry.holder(NAME, CANDIDATE) == first


def test_a_model_of_others_is_refused_before_anything_of_it_runs(database, tmp_path):
    loaded = tmp_path / "loaded"
    (tmp_path / "model.py").write_text(
        "from pathlib import Path\n"
        "from mlflow.models import set_model\n"
        "from mlflow.pyfunc import PythonModel\n\n\n"
        "class Other(PythonModel):\n"
        "    def predict(self, context, model_input: list[str], params=None):\n"
        "        return model_input\n\n\n"
        f"Path({str(loaded)!r}).touch()\n"
        "set_model(Other())\n"
    )
    folder, registry = tmp_path / "other", open_registry(database)
    mlflow.pyfunc.save_model(
        folder, python_model=str(tmp_path / "model.py"), pip_requirements=["mlflow"]
    )
    loaded.unlink()
    prompt = folder / "artifacts/prompt.vlp"
    prompt.parent.mkdir()
    prompt.write_bytes(b"one")
    tags = {"prompt_sha256": sha256_file(prompt)}  # says nothing of what else lies there
    registry.client.create_registered_model("theirs")
    registry.client.create_model_version("theirs", str(folder), tags=tags)
    with pytest.raises(UserError, match="classifies no images"):
        load_classifier(registry, find_version(registry, "theirs/1"))
    assert not loaded.exists()


def test_without_tracking_there_is_no_registry(tmp_path):
    off = TrackingParameters(enabled=False, experiment="tests", uri="sqlite:///mlflow.db")
    with pytest.raises(ConfigError, match=r"tracking\.enabled is false.*set it to true"):
        ModelRegistry.open(off, tmp_path)
