"""Analysis: what to train, the training and its numbers, the figures."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.analysis.nodes import (
    draw_figures,
    measure,
    plan_analysis,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Nodes of the analysis; data and test features come from the stages before."""
    return Pipeline(
        [
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
                    "class_halves",
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
