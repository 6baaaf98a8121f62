"""What conf, catalog and pipelines promise each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import CatalogConfigResolver
from kedro.pipeline import Pipeline

from conftest import ROOT
from fresh_python import printed
from vlprompt_pipeline.methods import Situation, recipes_in, resolve_recipe
from vlprompt_pipeline.parsing import overlay
from vlprompt_pipeline.pipeline_registry import APART, register_pipelines
from vlprompt_pipeline.pipelines.verify.pipeline import again
from vlprompt_pipeline.protocols import PROTOCOLS
from vlprompt_pipeline.run_parameters import RunParameters, parse_run_parameters
from vlprompt_pipeline.selection import Selection, select, selected, selection_of
from vlprompt_pipeline.settings import CONFIG_LOADER_ARGS

CONF = ROOT / "conf"
ENVIRONMENTS = sorted({path.name for path in CONF.iterdir() if path.is_dir()} - {"local"})
METHODS = ("zero_shot", "coop")
CELL = ("clip.name", "dataset", "protocol", "shots", "seed")


def loader(env: str, **params: Any) -> OmegaConfigLoader:
    """The configuration of an environment, without what this machine has in conf/local."""
    arguments = {**CONFIG_LOADER_ARGS, "default_run_env": "base"}
    return OmegaConfigLoader(str(CONF), env=env, runtime_params=params, **arguments)


def catalog(env: str = "base", **params: Any) -> dict[str, dict[str, Any]]:
    """The catalog's entries, as kedro resolves them."""
    entries = loader(env, **params)["catalog"]
    return {name: entry for name, entry in entries.items() if not name.startswith("_")}


def files(**params: Any) -> dict[str, dict[str, Any]]:
    """The entries that stand for files: those of the catalog, and the parts of its bundles."""
    entries = {}
    for name, entry in catalog(**params).items():
        parts = {f"{name}.{part}": inner for part, inner in entry.get("parts", {}).items()}
        entries |= parts or {name: entry}
    return entries


def parameters(env: str) -> RunParameters:
    return parse_run_parameters(loader(env)["parameters"])


@pytest.fixture
def pipelines() -> Mapping[str, Pipeline]:
    """Every pipeline, for two methods."""
    before = selected()
    targets = {**dict.fromkeys(PROTOCOLS, ()), "cross_dataset": ("dtd",)}
    select(Selection("cross_dataset", METHODS, targets, verified=METHODS))
    yield register_pipelines()
    select(before)


def entry_of(dataset: str) -> str:
    """The catalog's name of a dataset: a method's or target's own is an entry of the pattern."""
    owners = {"zero_shot": "{method}", "coop": "{method}", "dtd": "{target}"}
    return ".".join(owners.get(part, part) for part in dataset.split("."))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_is_complete_and_resolves_all_of_its_recipes(env):
    run = parameters(env)
    assert set(run.selected_methods()) <= set(run.recipes)
    recipes = recipes_in(Situation(run.protocol, run.dataset, run.shots), run.recipes)
    for name in recipes:
        resolve_recipe(name, recipes)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_what_paths_are_made_of_is_what_is_computed(env):
    """Each key of globals.yml is a parameter of the same value."""
    given = loader(env)
    assert overlay(given["parameters"], given["globals"]) == given["parameters"]


def test_the_default_run_is_small_and_offline():
    run = parameters("base")
    assert run.clip.source == "embedded"
    assert run.dataset.startswith("demo_")


def test_every_mlflow_kind_of_the_catalog_is_known_and_fits_its_dataset():
    fits = {
        "artifact": lambda kind: True,
        "metrics": lambda kind: kind.endswith("JSONDataset"),
        "history": lambda kind: kind.endswith("CSVDataset"),
    }
    kinds = {
        name: entry["metadata"]["mlflow"]
        for name, entry in files().items()
        if "mlflow" in entry.get("metadata", {})
    }
    assert set(kinds.values()) == set(fits)
    for name, kind in kinds.items():
        entry = files()[name]
        assert fits[kind](entry["type"]), name
        assert "filepath" in entry, f"{name} has no file to log"


def test_every_dataset_class_of_the_catalog_can_be_imported():
    for name, entry in (catalog() | files()).items():
        nested = [entry, entry.get("dataset", entry)]
        for kind in (part["type"] if isinstance(part, dict) else part for part in nested):
            module, _, attribute = kind.rpartition(".")
            package = module if module.startswith("vlprompt") else f"kedro_datasets.{module}"
            assert hasattr(import_module(package), attribute), name


def test_what_is_written_is_whole_or_absent():
    """Files are written by our datasets alone; kedro-datasets write in place."""
    for name, entry in files().items():
        inner = entry.get("dataset", entry)
        if name != "results.records":  # read only
            assert inner["type"].startswith("vlprompt_pipeline.datasets."), name


def test_pipelines_and_catalog_know_each_other(pipelines):
    entries = catalog()
    used: set[str] = set()
    for pipeline in pipelines.values():
        used |= {entry_of(name) for name in pipeline.datasets() - {"parameters"}}
    used -= {name for name in used if name.startswith("params:") and name not in entries}
    in_memory = {
        "demo_pool",
        "demo_clip_trained",
        "analysis_plan",
        "finished_records",
        "registration_verdicts",
    }
    in_memory |= {"{method}.comparison", "benchmark_comparison"}
    in_memory |= {"run_records", "run_comparison", "results_table", "class_page"}
    made_again = {name for name in used if name.startswith("again_")}
    assert used - set(entries) - made_again == in_memory
    assert set(entries) - used == {"{method}.completion"}, "a hook writes it"


def test_a_verification_is_the_cell_and_writes_nothing_of_it(pipelines):
    """What it makes has no place in the catalog, whatever methods and targets are called.

    Folders that nodes fill are outputs of its own first node; the stored ones are not touched.
    """
    verify, cell = pipelines["verify"], pipelines["cell"]
    assert {node.name for node in cell.nodes} < {node.name for node in verify.nodes}
    known = CatalogConfigResolver(catalog())
    placed = {name for name in verify.all_outputs() if known.match_dataset_pattern(name)}
    placed |= verify.all_outputs() & set(catalog())
    assert placed == {"verification", "verification_text"}
    folders = {"feature_store", "checkpoint_folder", "check_folder", "split_folder"}
    assert {again(name) for name in folders} <= verify.all_outputs()
    assert {f"params:{name}" for name in folders} <= cell.inputs()
    assert not {f"params:{name}" for name in folders} & verify.datasets()


def test_every_parameter_a_node_asks_for_is_in_conf(pipelines):
    given, entries = loader("base")["parameters"], catalog()
    for pipeline in pipelines.values():
        for name in pipeline.inputs():
            if name.startswith("params:") and name not in entries:
                place = given
                for key in name.removeprefix("params:").split("."):
                    place = place[key]


def test_the_whole_is_its_stages(pipelines):
    stages = [p for name, p in pipelines.items() if name not in ("__default__", *APART)]
    assert set(PROTOCOLS) < set(pipelines)
    nodes = {node.name for stage in stages for node in stage.nodes}
    assert {node.name for node in pipelines["__default__"].nodes} == nodes
    free = pipelines["__default__"].inputs()
    assert {name for name in free if not name.startswith("params:")} == {
        "clip",
        "results",
    }


def test_prompts_are_checked_before_features_are_computed(pipelines):
    groups = [[node.name for node in group] for group in pipelines["__default__"].grouped_nodes]
    depth = {name: number for number, group in enumerate(groups) for name in group}
    for features in ("features.extract_test_features", "features.extract_few_shot_features"):
        assert depth["few_shot.draw_few_shot_set"] < depth[features]
        checks = [f"methods.{method}.check_{method}" for method in METHODS]
        assert all(depth[check] < depth[features] for check in checks)


def test_every_result_of_a_cell_has_the_cell_in_its_path():
    """Two cells must never write the same file."""
    one = dict(zip(CELL, ("clip_a", "set_a", "few_shot", 3, 7), strict=True))
    given = {key: value for key, value in one.items() if "." not in key}
    entries = catalog(**given, clip={"name": one["clip.name"], "source": "embedded"})
    for name, entry in entries.items():
        if name.startswith("{method}") or name == "params:checkpoint_folder":
            parts = entry["filepath"].split("/")
            assert (
                "/".join(parts[2:])
                .removeprefix("records/")
                .removeprefix("reproducibility/")
                .removeprefix("completion/")
                .startswith("clip_a/set_a/few_shot/shots3/seed7/")
            ), name
            assert any("{method}" in part for part in parts) or name == "params:checkpoint_folder"


def test_what_paths_are_made_of_is_said_once():
    """Kedro reads all catalog files as one: a second `_cell` would silently hold in all of them."""
    said: list[str] = []
    for path in CONF.rglob("catalog*.yml"):
        said += [key for key in yaml.safe_load(path.read_text()) if key.startswith("_")]
    assert sorted(said) == sorted(set(said))


def test_other_halves_stand_in_paths_of_their_own():
    """What is computed for 30 % of the classes must not meet what is for one half."""
    published, other = files(), files(base_to_new={"base_share": 0.3})
    moved = 0
    for name, entry in published.items():
        path, theirs = (
            given.get("filepath", given.get("path", "")) for given in (entry, other[name])
        )
        assert theirs == path.replace("/base_to_new/", "/base_to_new_share_0.3/"), name
        moved += theirs != path
    assert moved > 10
    few_shot = {"protocol": "few_shot", "base_to_new": {"base_share": 0.3}}
    assert catalog(**few_shot) == catalog(protocol="few_shot"), "which has no halves"


def test_a_protocols_pipeline_is_the_whole_with_its_targets(pipelines):
    assert pipelines["cross_dataset"] == pipelines["__default__"]
    alone = pipelines["base_to_new"]
    names = {node.name for node in alone.nodes}
    assert {node.name for node in pipelines["few_shot"].nodes} == names
    assert "params:base_to_new" in alone.inputs()
    assert "params:few_shot" in pipelines["few_shot"].inputs()
    assert names < {node.name for node in pipelines["cross_dataset"].nodes}
    assert not any("dtd" in name for name in names)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_protocol_has_a_section_that_makes_sense_as_it_is(env):
    run = parameters(env)
    found = selection_of(run).targets
    assert found["base_to_new"] == found["few_shot"] == ()
    assert run.few_shot.curve == (1, 2, 4, 8, 16)
    assert run.base_to_new.base_share == 0.5
    if env == "photos":  # no other dataset has one's own classes
        return
    if env == "base":
        assert len(found["cross_dataset"]) == 6
        assert run.domain_generalisation.dataset == "demo_objects"
        return
    assert run.cross_dataset.dataset == run.domain_generalisation.dataset == "imagenet"
    for protocol in ("cross_dataset", "domain_generalisation"):
        assert set(found[protocol]) == PROTOCOLS[protocol].published_average
    if env == "vit_b16":
        assert {run.section(name).shots for name in PROTOCOLS} == {16}


def test_data_folders_are_kedros_layers():
    layers = {path.name for path in (ROOT / "data").iterdir() if path.is_dir()}
    for name, entry in catalog().items():
        path = entry.get("filepath", entry.get("path", "."))
        if path != ".":
            assert re.match(r"data/(\w+)", path).group(1) in layers, name


def test_all_files_are_in_the_home_folder_where_the_data_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    roots = {"data_root": "~/paper", "dataset_root": "~/photos"}
    paths = [each.get("filepath", each.get("path", "")) for each in files(**roots).values()]
    assert [path for path in paths if path.startswith("/home/somebody/paper/")]
    assert "/home/somebody/photos" in paths
    assert not [path for path in paths if "~" in path]


def test_conf_writes_numbers_as_numbers():
    """YAML reads 1e-5 as text: exponents need a point."""
    for path in CONF.rglob("*.yml"):
        for value in _leaves(yaml.safe_load(path.read_text())):
            assert not (isinstance(value, str) and re.fullmatch(r"[\d.]+e-?\d+", value)), path


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


@pytest.mark.parametrize(
    "code",
    [
        "import vlprompt_pipeline",
        "import sys; sys.argv = ['kedro', '--version']; "
        "from kedro.framework.cli.cli import main; main()",
    ],
    ids=["import", "kedro --version"],
)
def test_what_a_person_waits_for_imports_neither_torch_nor_mlflow(code):
    check = "import sys; heavy = {'torch', 'mlflow', 'open_clip'} & set(sys.modules); print(heavy)"
    said = printed(f"try:\n {code}\nfinally:\n {check}", cwd=ROOT)
    assert said.splitlines()[-1] == "set()"
