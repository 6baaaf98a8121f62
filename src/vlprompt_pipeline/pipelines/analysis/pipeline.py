"""Analysis: what to train, the training and its numbers, the figures."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines import data_preparation, feature_extraction, few_shot_sampling
from vlprompt_pipeline.pipelines.analysis.nodes import (
    draw_figures,
    measure,
    plan_analysis,
)


def create_pipeline(**kwargs) -> Pipeline:
    """The stages that it needs, so that it can be the first thing run, and three nodes."""
    return Pipeline(
        [
            data_preparation.create_pipeline(),
            few_shot_sampling.create_pipeline(),
            feature_extraction.create_pipeline(),
            Node(
                plan_analysis,
                inputs=["params:analysis", "params:recipes", "params:protocol", "params:seed"],
                outputs="analysis_plan",
                name="plan_analysis",
            ),
            Node(
                measure,
                inputs=[
                    "analysis_plan",
                    "clip",
                    "image_index",
                    "dataset_card",
                    "class_subsets",
                    "test_features",
                    "feature_store",
                    "analysis_runs",
                    "params:features",
                    "params:analysis",
                    "params:dataset",
                    "params:shots",
                    "params:seed",
                ],
                outputs=["analysis_tables", "analysis_conditions"],
                name="measure_analysis",
            ),
            Node(
                draw_figures,
                inputs=["analysis_tables", "analysis_conditions"],
                outputs=["analysis_figures", "analysis_page"],
                name="draw_analysis",
            ),
        ]
    )
