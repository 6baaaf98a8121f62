"""Bits of classifiers and tower matrices: what is trained, how it is scored, what is refused."""

from __future__ import annotations

import pytest
import torch

from analysis.material import RECIPES, analysis, material
from vlprompt_pipeline.analysis import ResultStore, check_analysis, make_plan, train_runs
from vlprompt_pipeline.analysis.captions import Conditions
from vlprompt_pipeline.analysis.head_figure import heads_figure
from vlprompt_pipeline.analysis.heads import heads_table
from vlprompt_pipeline.analysis.runs import Run
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.export import load_learner, pack, pack_learner
from vlprompt_pipeline.methods import build_learner, fit_learner, quantize_after, resolve_recipe
from vlprompt_pipeline.parametrizations import QuantizeConfig
from vlprompt_pipeline.training import train


@pytest.fixture(scope="module")
def swept(tiny_clip, tmp_path_factory):
    """Plan, material, results and table of the heads alone."""
    plan, data = make_plan(analysis(), RECIPES, 1), material(tiny_clip)
    runs = {Run.of(v.recipe, seed): False for v in plan.heads for seed in plan.seeds}
    results = train_runs(runs, data, ResultStore(tmp_path_factory.mktemp("runs")), 100)
    return plan, data, results, heads_table(plan, results, data, (1, 4))


def test_every_way_that_a_head_can_be_quantized(swept):
    *_, table = swept
    found = table.groupby("title")[["training", "bits", "half"]].apply(
        lambda rows: sorted(map(tuple, rows.to_numpy().tolist()))
    )
    after = [("PTQ", bits, half) for bits in (1, 4) for half in ("base", "new")]
    full = [("none", 0, half) for half in ("base", "new")]
    assert found["GDA-CLIP"] == after + full, "which has no training"
    while_training = [("QAT", bits, half) for bits in (1, 4) for half in ("base", "new")]
    assert found["CLIP-Adapter"] == after + while_training + full
    assert [row for row in found["CLAP"] if row[2] == "new"] == [], "it knows no new classes"
    assert len(found["CLAP"]) == 5
    assert set(table["n_seeds"]) == {2}
    assert not table.isna().any().any()


def test_fewer_bits_are_fewer_bytes(swept):
    *_, table = swept
    for title, rows in table.groupby("title"):
        sizes = rows.groupby("bits")["file_bytes"].max()
        assert sizes[1] < sizes[4], title
        assert sizes[1] < sizes[0], title


@pytest.mark.parametrize("name", ["gda", "clap"])
def test_a_row_is_what_the_method_does_by_itself(swept, name):
    plan, data, _, table = swept
    recipe, base = resolve_recipe(name, RECIPES), data.classes["base"]
    found = []
    for seed in plan.seeds:
        learner = build_learner(recipe, data.clip, base, seed)
        fit_learner(learner, recipe, data.at_once(seed), seed)
        if recipe.training:
            train(learner, data.batches(learner, recipe, seed), recipe.training)
        learner.settle(data.at_once(seed))
        config = QuantizeConfig(bits=1, post_training=True)
        quantize_after(learner, config, seed)
        quantized = recipe.model_copy(update={"quantize": config})
        content = pack(pack_learner(learner, quantized))
        with torch.no_grad():
            shipped = load_learner(content, quantized, data.clip, base)
            found.append(100 * data.correct("base", shipped) / 50)
    row = table.query(f"title == '{recipe.title}' and training == 'PTQ' and bits == 1")
    assert row["mean"].iloc[0] == pytest.approx(sum(found) / 2)
    assert row["std"].iloc[0] == pytest.approx(abs(found[0] - found[1]) / 2)


def test_the_figure_tells_every_value(swept):
    *_, table = swept
    about = Conditions("random", "CoOp", 2, "kedro run")
    sheet = heads_figure(table, about)
    texts = [point.text for point in sheet.points()]
    # without training twice on the right alone: GDA; the full value stands in both columns
    assert len(texts) == len(table) + len(table.query("title != 'GDA-CLIP' and bits == 0"))
    assert any("CLIP-Adapter, quantized while training, 4 bits" in text for text in texts)
    labels = [label.get_text() for label in sheet.panels[-1].get_xticklabels()]
    assert labels == ["1", "4", "full"]


@pytest.mark.parametrize(
    ("heads", "sentence"), [(("zero_shot",), "zero_shot has no tensors"), (("gdaa",), "gdaa")]
)
def test_what_is_no_head_is_refused(heads, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_analysis(analysis(heads=heads), RECIPES, "base_to_new")
