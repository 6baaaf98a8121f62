"""From a dataset's features to the figures of its analysis."""

from __future__ import annotations

import shlex
from dataclasses import asdict
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
    heads_table,
    make_plan,
    make_tables,
    post_training,
    render_page,
    train_runs,
)
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, FrozenClip, ImageEncoder
from vlprompt_pipeline.clip.dataset_features import (
    encode_test_images,
    extract_few_shot_features,
)
from vlprompt_pipeline.clip.feature_records import EvaluationFeatures
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.image_datasets import (
    ClassSubset,
    ClassSubsets,
    DatasetCard,
    ImageIndex,
    ShortClasses,
    sample_few_shot,
)
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.training import Batches, FewShotImages
from vlprompt_pipeline.wording import command_parameters, seeds_text, shots_text


def plan_analysis(
    analysis: AnalysisParameters, recipes: dict[str, Any], protocol: str, seed: int
) -> Plan:
    """Plan what is to be trained; refuse wrong settings before anything is read.

    Raises:
        ConfigError: an unknown recipe, one that cannot be followed, or another protocol.
    """
    check_analysis(analysis, recipes, protocol)
    return make_plan(analysis, recipes, seed)


def measure(
    *,
    plan: Plan,
    clip: FrozenClip,
    card: DatasetCard,
    folder: Path,
    analysis: AnalysisParameters,
    dataset: str,
    shots: int,
    seed: int,
    given: dict[str, Any],
    sweep: str,
    **data: Any,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Train what `folder` lacks; return the numbers of all figures and their conditions.

    `data` are the other arguments of `material_of`.
    """
    material = material_of(plan=plan, clip=clip, card=card, shots=shots, **data)
    runs = train_runs(plan.runs(), material, ResultStore(folder), analysis.prompts_at_once, bar)
    afterwards = post_training(plan, runs, material, analysis)
    images = f"{card.name} ({card.random_split})" if card.random_split else card.name
    conditions = {
        "text": f"{images}, {shots_text(shots)}, {seeds_text(plan.seeds)}, CLIP {clip.name}",
        "method": plan.plain.title,
        "seeds": len(plan.seeds),
        "command": _command(analysis, given, sweep, dataset=dataset, shots=shots, seed=seed),
    }
    heads = heads_table(plan, runs, material, analysis.head_bits)
    made = make_tables(plan, runs, afterwards, heads, analysis.bins, analysis.histogram_every)
    return made, conditions


def _command(
    analysis: AnalysisParameters, given: dict[str, Any], sweep: str, **cell: object
) -> str:
    """Write the command that makes the analysis again, with all parameters of this command line."""
    section = {"method": analysis.method, "seeds": analysis.seeds, **given.get("analysis", {})}
    parameters = command_parameters({**given, **cell, "analysis": section})
    environment = sweep.removeprefix("kedro sweep")
    return f"kedro run{environment} --pipelines=analysis --params={shlex.quote(parameters)}"


def draw_figures(
    loaders: dict[str, Any], conditions: dict[str, Any]
) -> tuple[dict[str, Figure], str]:
    """Draw every figure, and the page with all of them, from the tables on disk alone."""
    made = {name: load() for name, load in loaders.items()}
    under = Conditions(**conditions)
    sheets = draw(made, under)
    figures = {name: sheet.figure for name, sheet in sheets.items()}
    return figures, render_page(sheets, made, under)


def material_of(
    *,
    plan: Plan,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    class_subsets: ClassSubsets,
    test_features: EvaluationFeatures,
    store: Path,
    features: FeatureParameters,
    shots: int,
    short_classes: ShortClasses = "refuse",
) -> Material:
    """Prepare the few-shot sets of every seed with their features, and test features by subset."""
    index = ImageIndex.join(table, card)
    few_shot_sets = {
        seed: sample_few_shot(index, shots, seed, short_classes) for seed in plan.seeds
    }
    few_shot_features = {
        seed: extract_few_shot_features(clip, table, card, few_shot_set, store, features, seed)
        for seed, few_shot_set in few_shot_sets.items()
    }

    def images(seed: int) -> FewShotImages:
        return FewShotImages(
            clip=clip,
            folder=card.folder,
            few_shot_set=few_shot_sets[seed],
            base=class_subsets["base"],
            training=few_shot_features[seed].training,
            validation=few_shot_features[seed].validation,
            store=FeatureStore(store),
            parameters=features,
            seed=seed,
        )

    def batches(learner: PromptLearner, recipe: Recipe, seed: int) -> Batches:
        return images(seed).batches(learner, recipe.training)

    view = EvaluationView(clip.preprocessing, test_features.decoding)

    def encode(encoder: ImageEncoder) -> Tensor:
        encoded = encode_test_images(encoder, view, table, card, store, features)
        return encoded.values[:, 0].to(clip.device)

    values = FeatureStore(store).load(test_features.key).of(clip)[:, 0].to(clip.device)
    test = table[table["part"] == "test"].reset_index(drop=True)
    return Material(
        clip=clip,
        classes={
            name: ClassTexts(subset.class_names, card.template)
            for name, subset in class_subsets.items()
        },
        test={name: _test_images(test, values, subset) for name, subset in class_subsets.items()},
        batches=batches,
        at_once=lambda seed: images(seed).at_once(),
        encode=encode,
        described={
            seed: (
                f"{asdict(few_shot_features[seed])} {few_shot_sets[seed].digest} "
                f"{test_features.key}"
            )
            for seed in plan.seeds
        },
    )


def _test_images(test: pd.DataFrame, features: Tensor, subset: ClassSubset) -> TestImages:
    rows = torch.from_numpy(test["label"].isin(subset.labels).to_numpy().copy()).to(features.device)
    labels = torch.from_numpy(subset.restrict(test)["label"].to_numpy().copy()).to(features.device)
    return TestImages(rows, labels, features[rows])
