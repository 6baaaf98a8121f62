"""The notebooks run on what a run left, and are committed without results."""

from __future__ import annotations

import json
import logging
from typing import Any

import matplotlib.pyplot as plt
import pytest

from pipelines.project import CLASSES, QUICK, ROOT, Project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(name: str, project: Project, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> dict:
    """The names that all cells leave; `parameters` take the place of those of the first cell."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(project.root / "conf")  # any folder of the project, as notebooks/ is
    names: dict[str, Any] = {}
    for cell in cells(name):
        exec(compile("".join(cell["source"]), name, "exec"), names)
        if cell["metadata"].get("tags") == ["parameters"]:
            assert set(parameters) <= set(names)
            names |= parameters
    return names


@pytest.fixture(autouse=True)
def figures():
    """None is left open, and Kedro's log as it was."""
    yield
    plt.close("all")
    logging.getLogger("kedro.io").setLevel(logging.NOTSET)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_results_are_committed(path):
    for cell in cells(path.stem):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_a_first_look(finished, monkeypatch):
    names = run("a_first_look", finished, monkeypatch, CELL=QUICK)
    assert names["nearest"]["began as"].tolist() == ["a", "photo", "of", "a"]
    assert names["nearest"].filter(like="nearest").shape == (4, 5)
    assert len(names["change"]) == CLASSES
    metrics = {
        method: finished.json("07_model_output", f"{method}/metrics.json")
        for method in ("coop", "zero_shot")
    }
    for half in ("base", "new"):
        gained = metrics["coop"][half]["accuracy"] - metrics["zero_shot"][half]["accuracy"]
        assert names["change"][half].mean() == pytest.approx(gained), "classes of equal size"
    assert len(plt.get_fignums()) == 2


def test_quantization_and_noise(finished, monkeypatch):
    names = run("quantization_and_noise", finished, monkeypatch, CELL=QUICK, DRAWS=2)
    errors = names["errors"]
    assert errors.index.tolist() == [1, 2, 3, 4, 8]
    assert errors["error"].is_monotonic_decreasing
    assert errors.loc[8, "relative"] < 0.02
    assert 0.3 < errors.loc[1, "relative"] < 1
    assert len(names["codebook"]) == 2
    metrics = finished.json("07_model_output", "coop/metrics.json")
    one = 100 / 12  # the packed prompt has half precision: at most an answer of the 12 is another
    for half in ("base", "new"):
        assert names["exact"][half] == pytest.approx(metrics[half]["accuracy"], abs=one)
    assert names["curves"].shape == (10, 3)
    assert len(plt.get_fignums()) == 2
