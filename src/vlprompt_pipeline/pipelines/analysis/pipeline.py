"""Analysis: what to train, on what, the training, the numbers, the figures."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.analysis.nodes import (
    draw_figures,
    gather_material,
    plan_analysis,
    tabulate,
    train_prompts,
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
                gather_material,
                inputs=[
                    "analysis_plan",
                    "clip",
                    "image_index",
                    "dataset_card",
                    "class_halves",
                    "test_features",
                    "feature_store",
                    "params:features",
                    "params:shots",
                ],
                outputs="analysis_material",
                name="gather_analysis_material",
            ),
            Node(
                train_prompts,
                inputs=["analysis_plan", "analysis_material", "analysis_runs", "params:analysis"],
                outputs="analysis_results",
                name="train_analysis_prompts",
            ),
            Node(
                tabulate,
                inputs=[
                    "analysis_plan",
                    "analysis_material",
                    "analysis_results",
                    "params:analysis",
                    "dataset_card",
                    "params:dataset",
                    "params:shots",
                    "params:seed",
                ],
                outputs=["analysis_tables", "analysis_conditions"],
                name="tabulate_analysis",
            ),
            Node(
                draw_figures,
                inputs=["analysis_tables", "analysis_conditions"],
                outputs=["analysis_figures", "analysis_page"],
                name="draw_analysis",
            ),
        ]
    )
