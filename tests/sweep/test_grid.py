"""Grids, from axes and from files."""

from __future__ import annotations

import pytest

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import overlay
from vlprompt_pipeline.sweep import grid, nested, protocol_grid, read_grid


def test_a_grid_is_every_combination_of_what_is_given():
    assert grid(dataset=[], shots=[1, 2], seed=[1, 3]) == [
        {"shots": 1, "seed": 1},
        {"shots": 1, "seed": 3},
        {"shots": 2, "seed": 1},
        {"shots": 2, "seed": 3},
    ]
    assert grid(dataset=[], shots=[], seed=[]) == [{}]


def test_a_grid_file_adds_and_leaves_out_cells(tmp_path, caplog):
    file = tmp_path / "grid.yml"
    file.write_text(
        "datasets: [demo_flags, demo_counts]\nshots: [1, 4]\nmethods: [coop]\n"
        "include: [{dataset: demo_aerial, shots: 16, seed: 2}, {dataset: demo_flags, shots: 1,"
        " methods: coop}]\n"
        "exclude: [{dataset: demo_counts, shots: 1}, {dataset: demo_count}, {dataset: demo_counts,"
        " shots: 1, methods: coop}]\n"
    )
    asked = read_grid(file)
    cells = asked.within(protocol_grid(asked.protocols, asked.axes, tmp_path, None, {}))
    assert cells == [
        {"dataset": "demo_flags", "shots": 1, "methods": "coop"},
        {"dataset": "demo_flags", "shots": 4, "methods": "coop"},
        {"dataset": "demo_counts", "shots": 4, "methods": "coop"},
        {"dataset": "demo_aerial", "shots": 16, "seed": 2},
    ]
    assert caplog.messages == ["exclude: {dataset: demo_count} fits no cell of the grid"]


def test_parameters_of_a_grid_file_stay_beside_those_of_the_command_line(tmp_path):
    file = tmp_path / "grid.yml"
    file.write_text(
        "params:\n"
        "  recipes.coop.training.epochs: 10\n"
        "  recipes: {qcoop: {training: {epochs: 20, lr: 0.1}}}\n"
        "  features.views: 4\n"
    )
    on_command_line = {"recipes": {"qcoop": {"training": {"epochs": 3}}}, "metrics": ["nll"]}
    assert overlay(nested(read_grid(file).params), on_command_line) == {
        "recipes": {
            "coop": {"training": {"epochs": 10}},
            "qcoop": {"training": {"epochs": 3, "lr": 0.1}},
        },
        "features": {"views": 4},
        "metrics": ["nll"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: [a]", "--grid grid.yml: unknown key 'dataset' (did you mean 'datasets'?)"),
        ("[a, b]", "give axes such as datasets"),
        ("shots: [x]", "--grid grid.yml: shots.0 is 'x': input should be a valid integer"),
        ("exclude: [{sed: 1}]", "unknown key 'sed' (did you mean 'seed'?); allowed: dataset, "),
        ("a: b: c", "cannot be read"),
    ],
)
def test_a_wrong_grid_file_is_refused(text, message, tmp_path):
    file = tmp_path / "grid.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_grid(file)
    assert message in str(caught.value)
