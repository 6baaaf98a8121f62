"""The page on extending: every file of it in a project, as it stands, in one `kedro run`."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.cli.cli import KedroCLI

from command_line import vlprompt
from pipelines.project import ROOT
from vlprompt_pipeline.evaluation.metrics import METRICS
from vlprompt_pipeline.export import EXPORT_FORMATS
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS
from vlprompt_pipeline.methods import METHODS
from vlprompt_pipeline.parametrizations import QUANTIZERS
from vlprompt_pipeline.protocols import PROTOCOLS

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:])
QUICKLY = (
    "dataset_prefix=miniature_,methods=taskres+coop_halves+clip_adapter,device=cpu,"
    "features.views=2,recipes.taskres.training.epochs=2,recipes.coop.training.epochs=2,"
    "recipes.clip_adapter.training.epochs=1"
)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a text."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def entries(title: str) -> dict:
    """The entry of conf that a section shows."""
    return yaml.safe_load(blocks(SECTIONS[title], "yaml")[0])


@pytest.fixture
def extended(project):
    """A project with the files and the entries of the page; registries are left as they were."""
    first = yaml.safe_load(blocks(PAGE, "yaml")[0])
    modules = [blocks(section, "python")[0] for section in SECTIONS.values()]
    for name, module in zip(first["extensions"], modules, strict=True):
        (project.root / "src" / f"{name}.py").write_text(module, encoding="utf-8")
    parameters = {
        **first,
        **entries("A metric"),
        **entries("A protocol"),
        "recipes": entries("A method")["recipes"] | entries("A quantizer")["recipes"],
    }
    (project.root / "conf/local/parameters.yml").write_text(yaml.safe_dump(parameters))
    with (project.root / "conf/base/catalog_prompts.yml").open("a") as catalog:
        catalog.write(blocks(SECTIONS["An export format"], "yaml")[0])
    tables = (METRICS, EXPORT_FORMATS, IMAGE_DATASETS, QUANTIZERS, PROTOCOLS, METHODS)
    before = [dict(table) for table in tables]
    yield project
    for name in first["extensions"]:
        sys.modules.pop(name, None)
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


def test_everything_on_the_page_runs(extended, monkeypatch):
    monkeypatch.chdir(extended.root)
    arguments = ["run", "--pipelines=odd_classes", f"--params={QUICKLY}"]
    shown = CliRunner().invoke(KedroCLI(extended.root), arguments)
    assert shown.exit_code == 0, shown.output
    cell = f"demo/miniature_{entries('A dataset')['dataset']}/odd_classes/shots4/seed1"
    metrics = extended.json("07_model_output", "coop_halves/metrics.json", cell)
    assert metrics["base"]["total"] == metrics["new"]["total"] == 6
    assert 0 <= metrics["new"]["worst_class"] <= metrics["new"]["accuracy"]
    assert "entropy" not in metrics["new"], "the entry says which metrics"
    record = extended.json("08_reporting/records", "coop_halves.json", cell)
    assert record["classes"] == {"base": ["ash", "fir"], "new": ["elm", "oak"]}
    for method, classes in (("coop_halves", 4), ("taskres", 2)):
        file = extended.path("06_models", f"{method}/class_features.npy", cell)
        features = np.load(file)
        assert len(features) == classes
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
        sizes = extended.json("06_models", f"{method}/sizes.json", cell)
        assert sizes["class_features_file_bytes"] == file.stat().st_size
    assert not extended.path("06_models", "clip_adapter/class_features.npy", cell).exists()
    sizes = extended.json("06_models", "coop_halves/sizes.json", cell)
    assert sizes["payload_bits"] == 2 * sizes["trainable_parameters"]


def test_an_extension_that_cannot_be_imported_is_named(project):
    assert project.refusal({"extensions": ["no_such_module"]}).startswith(
        "extensions: cannot import 'no_such_module' ("
    )


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("\nregister(1)\n", "NameError: name 'register' is not defined in line 2"),
        ("def (:\n", "SyntaxError: invalid syntax (broken_one.py, line 1)"),
        ("import no_such\n", "ModuleNotFoundError: No module named 'no_such' in line 1"),
        (
            "import vlprompt_pipeline.methods as m\nm.register(m.METHODS['coop'])\n",
            "ValueError: two methods are named coop in line 2",
        ),
    ],
)
def test_an_extension_that_is_broken_is_named_with_its_line(project, monkeypatch, module, sentence):
    (project.root / "src/broken_one.py").write_text(module)
    monkeypatch.syspath_prepend(project.root / "src")
    assert project.refusal({"extensions": "broken_one"}) == (
        f"extensions: 'broken_one' raises {sentence}; mend it"
    )


def test_an_extension_that_fails_in_a_run_is_named_with_its_line(project, monkeypatch):
    (project.root / "src/failing_one.py").write_text(
        "from vlprompt_pipeline.evaluation.metrics import Metric, register\n\n\n"
        "def mean_margin(predicted, classes):\n"
        "    return predicted['margin'].mean()\n\n\n"
        "register(Metric('failing_one', 'mean margin', mean_margin))\n"
    )
    monkeypatch.syspath_prepend(project.root / "src")
    monkeypatch.setitem(METRICS, "failing_one", None)
    del METRICS["failing_one"]
    refused = project.refusal({"extensions": "failing_one", "metrics": "failing_one"})
    assert refused.startswith(
        "line 5 of src/failing_one.py raises KeyError: 'margin'; the traceback is in logs/error_"
    )
    assert list((project.root / "logs").glob("error_*.log"))


def test_an_installed_extension_is_named_with_its_line_or_as_a_suspect(
    project, monkeypatch, tmp_path
):
    (tmp_path / "elsewhere.py").write_text(
        "from vlprompt_pipeline.evaluation.metrics import Metric, register\n\n\n"
        "def raising(predicted, classes):\n    return predicted['margin']\n\n\n"
        "register(Metric('raising', 'raising', raising))\n"
        "register(Metric('no_argument', 'none', lambda: 1.0))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("raising", "no_argument"):
        monkeypatch.setitem(METRICS, name, None)
        del METRICS[name]
    refused = project.refusal({"extensions": "elsewhere", "metrics": "raising"})
    assert refused.startswith(f"line 5 of {tmp_path / 'elsewhere.py'} raises KeyError: 'margin'")
    refused = project.refusal({"extensions": "elsewhere", "metrics": "no_argument"})
    assert refused.endswith("report of the fault, unless its cause is in elsewhere")


def test_vlprompt_knows_extensions_of_src(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/known_here.py").write_text("print('registered')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert vlprompt("--extensions=known_here", "models", "--help").startswith("registered\n")
    said = vlprompt("--extensions=unknown_here", "models", status=1)
    assert said.startswith("Error: extensions: cannot import 'unknown_here'")


def test_extensions_of_the_command_line_are_joined_with_plus(project):
    assert "cannot import 'no_such_module' (" in project.refusal(
        {"extensions": "json+no_such_module"}
    )
