"""Each protocol as a pipeline of its own: what it is run on, and what contradicts it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.cli.project import run as kedro_run

from pipelines.project import CLASSES, QUICK, merged, miniature
from vlprompt_pipeline.commands.run import run
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS
from vlprompt_pipeline.protocol_runs import axes_of, configured, named_protocols, with_protocol
from vlprompt_pipeline.protocols import PROTOCOLS
from vlprompt_pipeline.run_parameters import RunParameters
from vlprompt_pipeline.sweep import protocol_grid, run_cells

SMALL = "methods=zero_shot,device=cpu,tracking.enabled=false"


@pytest.fixture
def kedro(project, monkeypatch):
    """A command line in the project's folder."""
    monkeypatch.chdir(project.root)

    def invoke(*arguments: str) -> click.testing.Result:
        return CliRunner().invoke(KedroCLI(project.root), arguments)

    return invoke


def parameters(project, env: str | None = None, **params) -> RunParameters:
    project.bootstrap()
    return configured(project.root, None, env, params)


def test_the_pipeline_brings_its_protocol_dataset_shots_and_targets(project, kedro, monkeypatch):
    monkeypatch.setitem(IMAGE_DATASETS, "demo_flags", miniature("demo_flags"))
    section = "cross_dataset: {dataset: demo_counts, shots: 2, targets: [demo_flags]}\n"
    (project.root / "conf/local/parameters_cross_dataset.yml").write_text(section)
    done = kedro("run", "--pipelines=cross_dataset", f"--params={SMALL}")
    assert done.exit_code == 0, done.output
    cell = "demo/demo_counts/cross_dataset/shots2/seed1"
    targets = project.path("07_model_output", "zero_shot/targets", cell)
    assert [path.name for path in targets.iterdir()] == ["demo_flags"]
    title = "cross-dataset, trained on demo_counts, 2 shots, CLIP demo, only seed 1"
    assert title in done.output


def test_the_params_of_a_command_are_laid_over_those_of_its_grid(project, kedro, monkeypatch):
    given = []
    monkeypatch.setattr(
        "vlprompt_pipeline.sweep.run_cells",
        lambda cells, root, env, params, how: given.append(params),
    )
    grid = "seeds: [1]\nparams: {features: {views: 4, batch_size: 8}, threads: 1}\n"
    (project.root / "grid.yml").write_text(grid)
    done = kedro("sweep", "--grid=grid.yml", "--params=features.views=2,precision=fp32")
    assert done.exit_code == 0, done.output
    features = {"views": 2, "batch_size": 8}
    assert given == [{"features": features, "threads": 1, "precision": "fp32"}]


def test_what_the_user_says_wins(project):
    given = {"dataset": "demo_flags", "seed": 2}
    conf = parameters(project, **given)
    for name in PROTOCOLS:
        found = with_protocol([name], given, conf)
        assert found == {"protocol": name, "dataset": "demo_flags", "shots": 16, "seed": 2}
    own = {"few_shot": {"shots": 4}}
    assert with_protocol(["few_shot"], own, parameters(project, **own))["shots"] == 4


def test_without_a_user_every_protocol_has_its_own(project):
    conf = parameters(project)
    found = {name: with_protocol([name], {}, conf) for name in PROTOCOLS}
    assert {name: values["dataset"] for name, values in found.items()} == {
        "base_to_new": "demo_aerial",
        "few_shot": "demo_aerial",
        "cross_dataset": "demo_aerial",
        "domain_generalisation": "demo_objects",
    }
    published = parameters(project, "vit_b16")
    source = with_protocol(["cross_dataset"], {}, published)
    assert source == {"protocol": "cross_dataset", "dataset": "imagenet", "shots": 16}
    assert with_protocol(["prompt_training"], {"seed": 2}, published) == {"seed": 2}


def test_the_default_dataset_of_the_project_is_that_of_its_protocols(project):
    (project.root / "conf/local/globals.yml").write_text("dataset: demo_flags\nshots: 2\n")
    found = with_protocol(["cross_dataset"], {}, parameters(project))
    assert (found["dataset"], found["shots"]) == ("demo_flags", 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--pipelines=few_shot", "--params=protocol=cross_dataset"),
            "pipeline few_shot is run with the parameter protocol=cross_dataset, which stands in "
            "the paths of its results: give protocol=few_shot, or on the command line none at all",
        ),
        (
            ("--pipelines=few_shot,cross_dataset",),
            "pipelines cross_dataset and few_shot: one run is of one protocol; "
            "kedro sweep --protocols=cross_dataset,few_shot runs one after the other",
        ),
        (
            ("--pipelines=domain_generalisation", "--params=dataset=demo_flags"),
            "protocol domain_generalisation: demo_flags has no shifted variants; train on ",
        ),
        (
            ("--pipelines=base_to_new", "--params=base_to_new.base_share=1.5"),
            "parameters.base_to_new.base_share is 1.5: input should be less than 1",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_on_the_command_line(
    project, kedro, arguments, sentence
):
    done = kedro("run", *arguments)
    assert done.exit_code == 1
    assert f"Error: {sentence}" in done.stderr
    assert "Traceback" not in done.output
    assert project.files() == {}


def test_a_session_must_say_which_protocol_its_paths_are_of(project):
    sentence = "pipeline cross_dataset is run with the parameter protocol=base_to_new"
    assert project.refusal(stages=("cross_dataset",)).startswith(sentence)
    assert project.files() == {}
    project.run({"protocol": "few_shot", "methods": ["zero_shot"]}, stages=("few_shot",))
    cell = "demo/demo_counts/few_shot/shots4/seed1"
    assert project.path("07_model_output", "zero_shot", cell).is_dir()


def test_run_is_kedros_own_in_everything_else(kedro):
    assert [option.opts for option in run.params] == [option.opts for option in kedro_run.params]
    shown = kedro("run", "--help").output
    assert kedro_run.help in shown
    assert all(max(option.opts, key=len) in shown for option in kedro_run.params)
    done = kedro("run", "--pipelines=data_chek")
    assert done.exit_code == 1
    sentence = "pipelines: unknown pipeline 'data_chek' (did you mean 'data_check'?); allowed: "
    assert f"Error: {sentence}" in done.stderr


def test_axes_of_a_sweep_are_those_of_the_protocol_where_none_are_given(project):
    conf = parameters(project)
    whole = {"protocol": ("few_shot",), "dataset": ("demo_aerial",), "shots": (1, 2, 4, 8, 16)}
    assert axes_of("few_shot", {}, conf) == whole
    assert axes_of("few_shot", {"shots": 3}, conf) == {
        "protocol": ("few_shot",),
        "dataset": ("demo_aerial",),
    }
    assert axes_of("base_to_new", {}, conf)["shots"] == (16,)


def test_a_sweep_of_protocols_is_the_grid_of_each(project):
    project.bootstrap()
    cells = protocol_grid(["base_to_new", "few_shot"], {"seed": [1, 2]}, project.root, None, {})
    assert len(cells) == 2 + 2 * 5
    assert cells[0] == {
        "protocol": "base_to_new",
        "dataset": "demo_aerial",
        "shots": 16,
        "seed": 1,
    }
    assert [cell["shots"] for cell in cells[2:]] == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]
    axes = {"dataset": ["demo_objects"], "shots": [4], "seed": []}
    cells = protocol_grid(["all"], axes, project.root, None, {})
    assert [cell["protocol"] for cell in cells] == list(PROTOCOLS)
    assert all(cell["dataset"] == "demo_objects" and cell["shots"] == 4 for cell in cells)


def test_protocols_that_are_none_or_said_twice_are_refused(project):
    with pytest.raises(ConfigError, match="unknown protocol 'fewshot' .did you mean 'few_shot'.."):
        named_protocols(["base_to_new", "fewshot"])
    with pytest.raises(ConfigError, match="not both"):
        protocol_grid(["few_shot"], {}, project.root, None, {"protocol": "few_shot"})


def test_a_sweep_checks_every_protocol_before_the_first_cell_runs(project):
    project.bootstrap()
    params = merged(QUICK, {"methods": ["zero_shot"]})
    cells = protocol_grid(["all"], {}, project.root, None, params)
    with pytest.raises(click.ClickException, match="demo_counts has no shifted variants"):
        run_cells(cells, project.root, None, params)
    assert project.files() == {}


def test_a_sweep_reports_each_protocol(project, capsys):
    project.bootstrap()
    params = merged(QUICK, {"methods": ["zero_shot"]})
    cells = protocol_grid(["base_to_new", "few_shot"], {"seed": [1, 2]}, project.root, None, params)
    run_cells(cells[1:], project.root, None, params)
    shown = capsys.readouterr().out
    assert shown.count(" report: data/") == 2
    assert "base to new, 4 shots, CLIP demo, only seed 2, demo_counts" in shown
    assert "few-shot, CLIP demo, demo_counts" in shown
    assert "Left out" not in shown
    assert "missing" not in shown
    assert sorted(project.report()["protocol"]) == ["base_to_new", "few_shot"]


def test_other_halves_are_other_results(project):
    """What one half gave stays as it was, is not used again, and is not averaged with the other."""
    few = {"methods": ["coop"]}
    project.run(few)
    before = {k: v for k, v in project.files().items() if "/base_to_new/" in k}
    project.run({**few, "base_to_new": {"base_share": 0.3}}, report=True)
    files = project.files()
    assert {k: v for k, v in files.items() if "/base_to_new/" in k} == before
    cell = "demo/demo_counts/base_to_new_share_0.3/shots4/seed1"
    halves = project.json(
        "05_model_input", "class_subsets.json", "demo_counts/base_to_new_share_0.3"
    )
    assert [len(half["labels"]) for half in halves.values()] == [2, CLASSES - 2]
    record = project.json("08_reporting/records", "coop.json", cell)
    assert record["cell"]["protocol"] == "base_to_new_share_0.3"
    report = project.report()
    assert sorted(report.loc["coop", "protocol"]) == ["base_to_new", "base_to_new_share_0.3"]
    assert set(report["n_seeds"]) == {1}


def test_halves_of_which_one_is_empty_are_refused(project):
    message = project.refusal({"base_to_new": {"base_share": 0.9}})
    assert message == ("base_to_new.base_share 0.9 of 6 classes leaves none as new ones; lower it")


def test_halves_are_set_where_paths_are_made(project):
    conf = "base_to_new: {base_share: 0.3}\n"
    (project.root / "conf/local/parameters.yml").write_text(conf)
    assert project.refusal().startswith(
        "parameters.base_to_new.base_share is 0.3, but the paths of the catalog are made with 0.5"
    )
    (project.root / "conf/local/parameters.yml").unlink()
    (project.root / "conf/local/globals.yml").write_text(conf)
    project.run({"methods": ["zero_shot"]})
    cell = "demo/demo_counts/base_to_new_share_0.3/shots4/seed1"
    assert project.path("07_model_output", "zero_shot", cell).is_dir()
