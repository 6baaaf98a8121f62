"""The code that a result depends on: what counts, and what does not."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import vlprompt_pipeline
from vlprompt_pipeline.methods import get_method, resolve_recipe
from vlprompt_pipeline.parametrizations import QUANTIZERS, QuantizerKind
from vlprompt_pipeline.source_code import STAGES, code_digest, counted_modules

PACKAGE = Path(vlprompt_pipeline.__file__).parent
DIGESTS = """
from vlprompt_pipeline.source_code import code_digest
print(code_digest("features"))
for stage in ("training", "results"):
    print(code_digest(stage, "vlprompt_pipeline.methods.coop"))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The package's source, to be changed."""
    folder = tmp_path_factory.mktemp("source") / "vlprompt_pipeline"
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "embedded")
    return shutil.copytree(PACKAGE, folder, ignore=ignored)


def digests(copy: Path, first: str = "") -> list[str]:
    run = [sys.executable, "-B", "-c", first + DIGESTS]
    environment = {"PYTHONPATH": str(copy.parent)}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("module", "old", "new", "due"),
    [
        ("training/loop.py", "optimizer, rate)", "optimizer, 3 * rate)", [False, True, True]),
        (
            "clip/backbone.py",
            "features = self._feature_tower(pixels.to",
            "features = self._feature_tower(pixels.flip(-1).to",
            [True, True, True],
        ),
        ("methods/coop.py", "import torch\n", "import torch\n\nFACTOR = 2\n", [False, True, True]),
        ("methods/cocoop.py", "import annotations\n", "import annotations\nF = 2\n", [False] * 3),
        ("reports/markdown.py", "import annotations\n", "import annotations\nA = 1\n", [False] * 3),
        ("training/loop.py", "def train(", "# a comment\ndef train(", [False] * 3),
        ("training/loop.py", '"""Train `learner` in place', '"""Teach `learner`', [False] * 3),
    ],
)
def test_what_makes_a_stage_due_again(copy, module, old, new, due):
    before = digests(copy)
    path = copy / module
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    try:
        assert [one != other for one, other in zip(before, digests(copy), strict=True)] == due
    finally:
        path.write_text(text)


def test_what_is_edited_while_it_runs_is_due_again(copy):
    loop = copy / "training/loop.py"
    edit = f"import os, vlprompt_pipeline.source_code\nos.utime({str(loop)!r}, (4e9, 4e9))\n"
    before = digests(copy)
    during = digests(copy, edit)
    os.utime(loop)
    assert [one != other for one, other in zip(before, during, strict=True)] == [False, True, True]
    assert digests(copy) == before


def test_a_stage_counts_what_it_imports_and_no_more():
    features = set(counted_modules(*STAGES["features"]))
    assert {
        f"vlprompt_pipeline.{name}" for name in ("images", "clip.views", "clip.image")
    } <= features
    training = set(counted_modules(*STAGES["training"]))
    assert {f"vlprompt_pipeline.{name}" for name in ("training.loop", "methods.base")} <= training
    rooms = {name.split(".")[1] for name in training if "." in name}
    assert not rooms & {"reports", "results", "registry", "hooks", "errors", "image_datasets"}
    for stage in STAGES.values():
        assert not {f"vlprompt_pipeline.methods.{name}" for name in ("coop", "cocoop")} & set(
            counted_modules(*stage)
        ), "a method counts where it is used"


def test_methods_have_their_own_digests():
    coop, cocoop = (get_method(name).learner for name in ("coop", "cocoop"))
    assert code_digest("training", coop) != code_digest("training", cocoop)
    assert code_digest("training", coop) == code_digest("training", coop)


def test_the_module_of_a_user_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_method.py").write_text("class Learner:\n    factor = 1\n")
    import own_method

    before = code_digest("training", own_method.Learner)
    assert before != code_digest("training")


def test_modules_beside_that_of_a_user_count_and_libraries_do_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_folder").mkdir()  # without __init__.py
    sources = {
        "own_recipe.py": "import numpy, json, own_losses\nfrom own_package import scale\n"
        "from vlprompt_pipeline.methods import coop\nclass Learner: ...\n",
        "own_losses.py": "def loss():\n    from own_folder import errors\n",
        "own_folder/errors.py": "FACTOR = 1\n",
        "own_package/__init__.py": "from .scaling import scale\n",
        "own_package/scaling.py": "from . import constants\nscale = constants.SCALE\n",
        "own_package/constants.py": "SCALE = 1\n",
        "own_package/unused.py": "",
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    import_module("own_recipe")
    counted = counted_modules("own_recipe")
    assert [name for name in counted if not name.startswith("vlprompt_pipeline.")] == [
        "own_folder.errors",
        "own_losses",
        "own_package.constants",
        "own_package.scaling",
        "own_recipe",
    ]
    assert "vlprompt_pipeline.methods.coop" in counted


def test_the_quantizer_of_a_recipe_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_quantizer.py").write_text(
        "def fit(values, entries, start):\n    return values\n"
    )
    own = import_module("own_quantizer").fit
    monkeypatch.setitem(QUANTIZERS, "own", QuantizerKind("own", "own", own))
    prompt = {"covariance": "pooled", "new_classes": False, "templates": "photo"}
    plain = {"method": "gda", "title": "GDA", "prompt": prompt}
    digests = {code_digest("training", *resolve_recipe("probe", {"probe": plain}).code)}
    for quantizer in ("kmeans", "lloyd_max", "stochastic", "own"):
        recipe = {**plain, "quantize": {"bits": 2, "quantizer": quantizer}}
        digests.add(code_digest("training", *resolve_recipe("probe", {"probe": recipe}).code))
    assert len(digests) == 5, "a changed quantizer makes what it trained due again"


@pytest.mark.parametrize("given", [partial(sorted, reverse=True), math.sqrt, max])
def test_functions_without_source_have_a_digest(given):
    assert len(code_digest("training", given)) == 64


def test_a_name_that_a_package_gives_on_first_use_leads_to_its_module(tmp_path, monkeypatch):
    (tmp_path / "uses_export.py").write_text("from vlprompt_pipeline.export import pack_learner\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("uses_export")
    counted = counted_modules("uses_export")
    assert "vlprompt_pipeline.export.learner" in counted
    assert "vlprompt_pipeline.export.formats.classifier_weights" not in counted
