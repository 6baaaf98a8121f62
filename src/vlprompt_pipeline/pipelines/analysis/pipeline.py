"""Analysis: what to train, the training and its numbers, the figures."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.analysis.nodes import draw_figures, measure, plan_analysis
from vlprompt_pipeline.pipelines.data_preparation import pipeline as data_preparation
from vlprompt_pipeline.pipelines.feature_extraction import pipeline as feature_extraction
from vlprompt_pipeline.pipelines.few_shot_sampling import pipeline as few_shot_sampling


def create_pipeline(protocol: str, **kwargs) -> Pipeline:
    """Create three nodes and the stages they need, so that the analysis can be the first run."""
    return Pipeline(
        [
            data_preparation.create_pipeline(),
            few_shot_sampling.create_pipeline(protocol),
            feature_extraction.create_pipeline(),
            Node(
                plan_analysis,
                inputs=["params:analysis", "params:recipes", "params:protocol", "params:seed"],
                outputs="analysis_plan",
                name="plan_analysis",
            ),
            Node(
                measure,
                inputs={
                    "plan": "analysis_plan",
                    "clip": "clip",
                    "table": "image_index",
                    "card": "dataset_card",
                    "class_subsets": "class_subsets",
                    "test_features": "test_features",
                    "store": "params:feature_store",
                    "folder": "params:analysis_runs",
                    "features": "params:features",
                    "analysis": "params:analysis",
                    "dataset": "params:dataset",
                    "shots": "params:shots",
                    "seed": "params:seed",
                    "short_classes": "params:short_classes",
                    "given": "params:given",
                    "sweep": "params:benchmark_report.sweep",
                },
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
