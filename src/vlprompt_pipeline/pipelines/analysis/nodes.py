"""From a dataset's features to the figures of its analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vlprompt_pipeline.analysis import (
    AnalysisParameters,
    Conditions,
    Material,
    Plan,
    ResultStore,
    TestImages,
    check_analysis,
    draw,
    make_plan,
    post_training,
    render_page,
    tables,
    train_runs,
)
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, FrozenClip, ImageEncoder
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe
from vlprompt_pipeline.pipelines.feature_extraction.nodes import (
    extract_training_features,
    test_features_of,
)
from vlprompt_pipeline.pipelines.few_shot_sampling.nodes import draw_few_shot_set
from vlprompt_pipeline.pipelines.prompt_training.images import FewShotImages
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.training import Batches
from vlprompt_pipeline.wording import seeds_text, shots_text


def plan_analysis(
    analysis: AnalysisParameters, recipes: dict[str, Any], protocol: str, seed: int
) -> Plan:
    """What is to be trained; what cannot be is refused before anything is read.

    Raises:
        ConfigError: an unknown recipe, one that cannot be followed, or another protocol.
    """
    check_analysis(analysis, recipes, protocol)
    return make_plan(analysis, recipes, seed)


def measure(
    plan: Plan,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    class_subsets: dict[str, Any],
    test_features: dict[str, Any],
    store: Path,
    folder: Path,
    features: FeatureParameters,
    analysis: AnalysisParameters,
    dataset: str,
    shots: int,
    seed: int,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Train what is not yet in `folder`; the numbers behind every figure, and their conditions."""
    material = _material(
        plan, clip, table, card, class_subsets, test_features, store, features, shots
    )
    runs = train_runs(plan.runs(), material, ResultStore(folder), analysis.prompts_at_once, bar)
    afterwards = post_training(plan, runs, material, analysis)
    data = f"{card['name']} ({card['random_split']})" if card["random_split"] else card["name"]
    conditions = {
        "text": f"{data}, {shots_text(shots)}, {seeds_text(plan.seeds)}, CLIP {clip.name}",
        "method": plan.plain.title,
        "seeds": len(plan.seeds),
        "command": (
            "kedro run --pipelines=analysis "
            f"--params=dataset={dataset},shots={shots},seed={seed},"
            f"analysis.method={analysis.method},analysis.seeds={analysis.seeds}"
        ),
    }
    return tables(plan, runs, afterwards, analysis.bins, analysis.histogram_every), conditions


def draw_figures(
    loaders: dict[str, Any], conditions: dict[str, Any]
) -> tuple[dict[str, Figure], str]:
    """Every figure, and the page that holds them all; from the tables on disk alone."""
    made = {name: load() for name, load in loaders.items()}
    sheets = draw(made, Conditions(**conditions))
    return {name: sheet.figure for name, sheet in sheets.items()}, render_page(
        sheets, made, Conditions(**conditions)
    )


def _material(
    plan: Plan,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    class_subsets: dict[str, Any],
    test_features: dict[str, Any],
    store: Path,
    features: FeatureParameters,
    shots: int,
) -> Material:
    """Few-shot sets and training features of every seed, and the test features of both halves."""
    halves = {
        name: ClassSubset(**{key: tuple(value) for key, value in half.items()})
        for name, half in class_subsets.items()
    }
    sampled = {seed: draw_few_shot_set(table, card, shots, seed) for seed in plan.seeds}
    described = {
        seed: extract_training_features(clip, table, card, few_shot, store, features, seed)
        for seed, few_shot in sampled.items()
    }

    def batches(learner: PromptLearner, recipe: Recipe, seed: int) -> Batches:
        images = FewShotImages(
            clip,
            Path(card["folder"]),
            FewShotSet.from_dict(sampled[seed]),
            halves["base"],
            {"training": described[seed]},
            FeatureStore(store),
            features,
            seed,
        )
        return images.batches(learner, recipe.training.batch_size)

    view = EvaluationView(clip.preprocessing, test_features["decoding"])

    def encode(encoder: ImageEncoder) -> Tensor:
        found = test_features_of(encoder, view, table, card, store, features)
        return found.values[:, 0].to(clip.device)

    values = FeatureStore(store).load(test_features["key"]).of(clip)[:, 0].to(clip.device)
    test = table[table["part"] == "test"].reset_index(drop=True)
    return Material(
        clip=clip,
        classes={
            name: ClassTexts(half.class_names, card["template"]) for name, half in halves.items()
        },
        test={name: _test_images(test, values, half) for name, half in halves.items()},
        batches=batches,
        encode=encode,
        described={
            seed: f"{described[seed]} {sampled[seed]['digest']} {test_features['key']}"
            for seed in plan.seeds
        },
    )


def _test_images(test: pd.DataFrame, features: Tensor, half: ClassSubset) -> TestImages:
    rows = torch.from_numpy(test["label"].isin(half.labels).to_numpy().copy()).to(features.device)
    labels = torch.from_numpy(half.restrict(test)["label"].to_numpy().copy()).to(features.device)
    return TestImages(rows, labels, features[rows])
