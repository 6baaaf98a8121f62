"""Wrong parameters end a run with one sentence, before any node has run."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI

from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.parsing import parse

QUIET = "--params=dataset=demo_counts,tracking.enabled=false"


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"sedd": 3}, "parameters: unknown key 'sedd' (did you mean 'seed'?); allowed: "),
        (
            {"recipes": {"coop": {"training": {"epoch": 3}}}},
            "recipes.coop.training: unknown key 'epoch' (did you mean 'epochs'?); allowed: ",
        ),
        (
            {"protocol": "base2new"},
            "parameters.protocol is 'base2new': protocols are base_to_new, cross_dataset, ",
        ),
        (
            {"recipes": {"qcoop": {"quantize": {"bits": 9}}}},
            "recipes.qcoop.quantize.bits is 9: input should be less than or equal to 8",
        ),
        ({"seed": "3"}, "parameters.seed is '3': input should be a valid integer"),
        ({"shots": True}, "parameters.shots is True: input should be a valid integer"),
        (
            {"methods": ["mine"], "recipes": {"mine": {"extends": "coopp"}}},
            "recipes.mine.extends: unknown recipe 'coopp' (did you mean 'coop'?); allowed: ",
        ),
    ],
    ids=["key", "key of a recipe", "choice", "range of a recipe", "text", "truth", "parent"],
)
def test_it_is_told_before_any_node_has_run(project, params, sentence):
    """tests/test_config.py and tests/methods/ have what else is refused."""
    assert project.refusal(params).startswith(sentence)
    assert list(project.data.iterdir()) == []


def test_a_parameter_file_is_checked_as_the_command_line_is(project):
    (project.root / "conf/local/parameters.yml").write_text("features: {wokers: 3}\n")
    sentence = "parameters.features: unknown key 'wokers' (did you mean 'workers'?)"
    assert project.refusal().startswith(sentence)


def test_a_number_in_quotes_is_a_number_to_every_node(project):
    (project.root / "conf/local/parameters.yml").write_text(
        "features: {workers: '2'}\nwait_for_other_runs: '60'\n"
    )
    project.run({"methods": ["zero_shot"]})


def test_a_broken_parameter_file_is_named(project):
    (project.root / "conf/local/parameters.yml").write_text("methods: [coop\n")
    message = project.refusal()
    assert "conf/local/parameters.yml" in message
    assert "unable to read line" in message


def test_what_a_parameter_file_leaves_out_is_as_by_default(project):
    file = project.root / "conf/base/parameters.yml"
    values = yaml.safe_load(file.read_text())
    for name in ("short_classes", "export", "data_check", "side_by_side", "wait_for_other_runs"):
        del values[name]
    file.write_text(yaml.safe_dump(values))
    project.run({"methods": ["zero_shot"]})


@pytest.mark.parametrize(
    "command", [["sweep", "--dry-run"], ["tune", "--method=coop", "--space=space.yml"]]
)
def test_every_command_names_a_broken_parameter_file(project, monkeypatch, command):
    project.bootstrap()
    monkeypatch.chdir(project.root)
    (project.root / "space.yml").write_text("training.lr: [0.1]\n")
    (project.root / "conf/local/parameters.yml").write_text("methods: [coop\n")
    done = CliRunner().invoke(KedroCLI(project.root), command)
    assert "conf/local/parameters.yml" in done.output
    assert "this should not have happened" not in done.output


@pytest.mark.parametrize(
    "command", [["run"], ["run", "--pipelines=few_shot"], ["sweep", "--dry-run"]]
)
def test_every_command_names_the_environments_that_there_are(project, monkeypatch, command):
    monkeypatch.chdir(project.root)
    shown = CliRunner().invoke(KedroCLI(project.root), [*command, "--env=photoss"])
    assert f"Error: no folder {project.root}/conf/photoss, which --env" in shown.output
    assert "base, local" in shown.output


def test_what_paths_are_made_of_is_set_in_globals_alone(project):
    """A seed of parameters.yml would train another seed into the folder of the first."""
    (project.root / "conf/local/parameters.yml").write_text("protocol: few_shot\n")
    assert project.refusal() == (
        "parameters.protocol is 'few_shot', but the paths of the catalog are made with "
        "'base_to_new': set protocol in globals.yml or with --params, not in a parameters file"
    )
    (project.root / "conf/local/parameters.yml").unlink()
    (project.root / "conf/local/globals.yml").write_text("protocol: few_shot\n")
    project.run({"methods": ["zero_shot"]})
    assert project.path("07_model_output", cell="demo/demo_counts/few_shot/shots4/seed1").is_dir()


def test_a_key_beside_its_neighbours_in_globals_leaves_them_as_they_are(project):
    (project.root / "conf/local/globals.yml").write_text("clip: {name: my_clip}\n")
    project.run(stages=("data_preparation",))
    (project.root / "conf/local/globals.yml").write_text("clip: {nam: my_clip}\n")
    assert project.refusal().startswith(
        "globals.yml: unknown key 'clip.nam' (did you mean 'clip.name'?); allowed: dataset, "
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("catalog_mine", "${_data}/x", "conf: mine.path: Interpolation key '_data' not found; it "),
        ("parameters", "${globals:no}", "conf: mine.path: Globals key 'no' not found "),
    ],
)
def test_a_value_that_conf_lacks_is_named(project, monkeypatch, name, value, sentence):
    file = project.root / f"conf/local/{name}.yml"
    file.write_text(f'mine: {{type: MemoryDataset, path: "{value}"}}\n')
    assert f"Error: {sentence}" in run(project, monkeypatch).output


@pytest.mark.parametrize("name", ["a.b", "checkpoints", "targets", "all"])
def test_a_recipe_whose_name_cannot_be_a_folder_is_refused(project, name):
    recipe = f"recipes: {{{name}: {{extends: coop}}}}\n"
    (project.root / "conf/local/parameters.yml").write_text(recipe)
    message = project.refusal()
    assert message.startswith(f"parameters.recipes.{name}")
    assert "a recipe's name stands" in message or f"{name} is no name for a recipe" in message
    assert list(project.data.iterdir()) == []


def test_a_dataset_that_is_a_number_is_a_name(project):
    assert project.refusal({"dataset": 2024}).startswith("dataset '2024' is unknown")


def test_class_names_are_joined_with_plus_everywhere():
    assert parse(ExportParameters, {"class_names": "cat+dog"}, "export").class_names == (
        "cat",
        "dog",
    )
    assert parse(ExportParameters, {"class_names": ["a+b"]}, "export").class_names == ("a+b",)


def run(project, monkeypatch, *options: str) -> Result:
    """`kedro run` on the command line, which ends with an error and no traceback."""
    monkeypatch.chdir(project.root)
    shown = CliRunner().invoke(KedroCLI(project.root), ["run", *options])
    assert shown.exit_code == 1
    assert "Traceback" not in shown.output
    return shown


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_comma_in_a_folder_is_given_in_conf(project, monkeypatch, command):
    monkeypatch.chdir(project.root)
    folder = project.root / "photos, mine"
    shown = CliRunner().invoke(KedroCLI(project.root), [command, f"--params=dataset_root={folder}"])
    assert shown.exit_code == 2
    assert "comma ends a value here: set dataset_root in conf/local/globals.yml, " in shown.stderr
    (project.root / "conf/local/globals.yml").write_text(f'dataset_root: "{folder}"\n')
    project.run(stages=("data_preparation",))
    assert (folder / "demo_counts").is_dir()
    reason = "--params=seed=2,registry.promote.reason=more classes, new camera"
    shown = CliRunner().invoke(KedroCLI(project.root), [command, reason])
    assert "set registry.promote.reason in conf/local/parameters.yml, " in shown.stderr


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            "shost=3",
            "parameters: unknown key 'shost' (did you mean 'shots'?); allowed: ",
        ),
        ("dataset=demo_count", "dataset 'demo_count' is unknown; did you mean 'demo_counts'? "),
        ("demo_pretraining.step=3", "demo_pretraining: unknown key 'step' (did you mean 'steps'?)"),
        ("shots=6,dataset=demo_counts", "6 of the 6 classes of demo_counts have fewer training"),
    ],
    ids=["a key", "a dataset", "a key of another pipeline", "from a node"],
)
def test_the_command_line_shows_the_sentence_and_no_frames(project, monkeypatch, params, sentence):
    shown = run(project, monkeypatch, f"--params={params},tracking.enabled=false")
    assert f"Error: {sentence}" in shown.stderr
    assert "NoneType" not in shown.output


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--tags=nonsense",
            "the pipeline contains no nodes",
        ),
        (
            "--nodes=train_coop",
            "the pipeline does not contain nodes named ['train_coop']. Did you mean: "
            "['methods.coop.train_coop']?",
        ),
    ],
)
def test_a_filter_that_no_node_fits_ends_in_a_sentence(project, monkeypatch, option, sentence):
    shown = run(project, monkeypatch, option, QUIET)
    assert f"Error: {option} leaves nothing to do; kedro registry describe" in shown.stderr
    assert shown.stderr.rstrip().endswith(sentence)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["run", "--runner=ThreadRuner"], "--runner: unknown runner 'ThreadRuner' (did you mean "),
        (
            ["run", "--runner=ThreadRunner", "--runner-params=workers=2"],
            "--runner-params: unknown parameter 'workers' (did you mean 'max_workers'?); allowed: ",
        ),
        (
            ["run", "--runner=ParallelRunner", "--runner-params=max_workers=two"],
            "--runner-params: max_workers is 'two'; allowed: from 1",
        ),
        (
            ["run", "--runner=ThreadRunner", "--runner-params=max_workers=0"],
            "--runner-params: max_workers is 0; allowed: from 1",
        ),
        (["run", "--pipelines=cell,verify"], "--pipelines: they have nodes in common; run one "),
        (["run", "--params=data_root=README.md"], "cannot make the folder "),
    ],
)
def test_what_is_not_there_is_named(project, monkeypatch, command, sentence):
    monkeypatch.chdir(project.root)
    (project.root / "README.md").write_text("a file")
    shown = CliRunner().invoke(KedroCLI(project.root), command)
    assert shown.exit_code == 1
    assert f"Error: {sentence}" in shown.stderr


def test_a_key_that_stands_in_two_files_is_named(project, monkeypatch):
    for name in ("a", "b"):
        (project.root / f"conf/local/parameters_{name}.yml").write_text("seed: 3\n")
    shown = run(project, monkeypatch)
    assert "Error: Duplicate keys found in " in shown.stderr
    assert shown.stderr.rstrip().endswith(": seed: a key stands in one file of a folder")


@pytest.mark.parametrize(
    ("option", "absent"),
    [
        ("--from-nodes=report.draw_report", "'results_table'"),
        ("--namespaces=report", "'run_records'"),
    ],
)
def test_a_filter_that_leaves_out_what_is_kept_in_memory_ends_in_a_sentence(
    project, monkeypatch, option, absent
):
    shown = run(project, monkeypatch, option, QUIET)
    assert "Error: this run begins with nodes that read " in shown.stderr
    assert absent in shown.stderr
    assert "which no run stores" in shown.stderr
