"""`kedro tune`: trials are scored on validation images, and leave the cell alone."""

from __future__ import annotations

import sys

import click
import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.cli.cli import KedroCLI

from image_datasets.own_data.photos import write_classes, write_photo
from pipelines.project import QUICK
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.pipelines.evaluation import nodes
from vlprompt_pipeline.sweep import tune
from vlprompt_pipeline.sweep.tune import OPTUNA_NEEDED, Space, Tuning, _suggest, read_space
from vlprompt_pipeline.wording import command_parameters

SPACE = {"training.lr": {"low": 0.001, "high": 0.01, "log": True}, "training.epochs": [1, 2]}


def test_trials_see_no_test_image_and_a_study_goes_on(project, monkeypatch):
    pytest.importorskip("optuna")
    project.bootstrap()
    seen = []

    def evaluate(**given):
        seen.append(given["table"])
        return nodes.evaluate_prompt(**given)

    monkeypatch.setattr(tune, "evaluate_prompt", evaluate)
    monkeypatch.chdir(project.root)
    (project.root / "space.yml").write_text(yaml.safe_dump(SPACE))
    params = {**QUICK, "methods": ["coop"]}
    command = ["tune", "--method=coop", "--space=space.yml", "--trials=2", "--study=a study"]
    command.append(f"--params={command_parameters(params)}")
    done = CliRunner().invoke(KedroCLI(project.root), command)
    assert done.exit_code == 0, done.output
    assert "study: 'a study' in data/08_reporting/tuning/optuna.db" in done.output
    assert "is stored with" not in done.output, "trials are there to be replaced"
    tuning = Tuning(project.root, None, params, "coop", Space.model_validate(SPACE))
    study = tuning.run(2, "a study")
    assert len(study.trials) == 2
    longer = tuning.run(3, "a study").trials
    rates = [trial.params["training.lr"] for trial in longer]
    assert len({*rates}) == 3, "a study that goes on draws no trial again"
    assert f"best of 2 trials: {study.best_value:.2f} % on validation images" in done.output
    assert set(study.best_params) == {"training.lr", "training.epochs"}
    assert f"recipes.coop.training.lr={study.best_params['training.lr']}" in done.output
    assert len(seen) == 3, "it went on with what it had"
    few_shot = project.json("05_model_input", "few_shot_set.json", "demo_counts/shots4/seed1")
    validation = {path for path, _ in few_shot["val"]}
    assert all(set(table["path"]) == validation for table in seen)
    made = {path.name for path in (project.data / "06_models").iterdir()}
    assert made == {"demo-tuning"}, "the cell's own files are not touched"
    assert not list((project.data / "07_model_output").rglob("*.*"))
    assert (project.root / tune.DATABASE).is_file()
    assert not (project.root / "mlflow.db").exists()


def test_a_study_is_named_by_all_that_its_scores_depend_on(project):
    project.bootstrap()
    space = Space.model_validate(SPACE)

    def name(space: Space = space, **changed) -> str:
        return Tuning(project.root, None, {**QUICK, **changed}, "coop", space).name

    changed = {
        "another space": name(Space.model_validate({"training.lr": [0.1, 0.2]})),
        "another CLIP": name(clip={"name": "other"}),
        "another setting": name(features={"views": 3}),
        "another recipe": name(recipes={"coop": {"training": {"batch_size": 5}}}),
    }
    assert name() == name()
    assert len({name(), *changed.values()}) == 5, changed


def test_a_study_goes_on_with_the_same_images_alone(project):
    pytest.importorskip("optuna")
    project.bootstrap()
    folder = project.data / "01_raw/colours"
    write_classes(folder, blue=10, red=10)
    params = {**QUICK, "dataset": "colours", "protocol": "few_shot", "shots": 2}
    tuning = Tuning(project.root, None, params, "coop", Space.model_validate(SPACE))
    first = tuning.run(1)
    assert tuning.run(1).study_name == first.study_name
    write_photo(folder / "red/new.png")
    assert tuning.run(1).study_name != first.study_name


def test_without_validation_images_nothing_is_trained(project):
    pytest.importorskip("optuna")
    project.bootstrap()
    for part in ("train", "test"):
        write_classes(project.data / "01_raw/colours" / part, blue=4, red=4)
    params = {**QUICK, "dataset": "colours", "protocol": "few_shot", "shots": 2}
    with pytest.raises(DataError, match="colours has no validation images: there is nothing to tu"):
        Tuning(project.root, None, params, "coop", Space.model_validate(SPACE)).run(1)
    assert not list((project.data / "06_models").rglob("*.*"))
    assert not (project.root / tune.DATABASE).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.lr: {low: 1}", r"space\.yml: training\.lr\.high is missing"),
        ("training.lr: {low: 1, hihg: 2}", r"'hihg' \(did you mean 'high'\?\)"),
        ("training.lr: {low: 0.3, high: 0.2}", r"'high': 0\.2}: low is above high$"),
        ("training.lr: {low: 0, high: 1, log: true}", "with log, low is above 0"),
        ("training.lr: []", "training.lr"),
        ("{}", "is {}: .* at least 1 item"),
        ("3", "--"),
    ],
)
def test_a_wrong_space_is_refused(text, message, tmp_path):
    file = tmp_path / "space.yml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_space(file)


def test_what_trains_nothing_has_no_settings_of_training(project):
    pytest.importorskip("optuna")
    project.bootstrap()
    tuning = Tuning(project.root, None, QUICK, "zero_shot", Space.model_validate(SPACE))
    with pytest.raises(ConfigError, match=r"--space: training\.lr, training\.epochs: zero_shot tr"):
        tuning.run(1)
    assert not (project.root / tune.DATABASE).exists()


@pytest.mark.parametrize("values", [[0.1, 0.3], {"low": 0.1, "high": 0.2}])
def test_a_study_of_other_values_does_not_go_on(values):
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(study_name="a study")
    _suggest(study.ask(), "training.lr", (0.1, 0.2))
    with pytest.raises(ConfigError, match="--study: 'a study' has tried training.lr among other"):
        _suggest(study.ask(), "training.lr", Space.model_validate({"lr": values}).root["lr"])


def test_without_optuna_a_sentence_says_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    tuning = Tuning(tmp_path, None, {}, "coop", Space.model_validate(SPACE))
    with pytest.raises(click.ClickException) as caught:
        tuning.run(1, "a study")
    assert caught.value.message == OPTUNA_NEEDED
