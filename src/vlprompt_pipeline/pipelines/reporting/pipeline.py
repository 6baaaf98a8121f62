"""Reporting: this run compared with what is on disk, as a table, figures and a page."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.namespaces import METHODS
from vlprompt_pipeline.pipelines.reporting.nodes import (
    collect_records,
    compare_run,
    draw_class_page,
    draw_report,
)


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create the nodes; they run after the records of this run, and read all results on disk."""
    pages = ["class_page"] if methods else []
    return Pipeline(
        [
            Node(
                collect_records,
                inputs=[f"{method}.record" for method in methods],
                outputs="run_records",
                name="collect_records",
                namespace=METHODS,
            ),
            Node(
                compare_run,
                inputs=[
                    "results",
                    "params:benchmark_report",
                    "params:recipes",
                    "params:clip.name",
                    "params:dataset_prefix",
                    "params:given",
                    "params:project_folder",
                    "run_records",
                ],
                outputs=["results_table", "run_comparison"],
                name="compare_run",
                namespace="report",
            ),
            Node(
                draw_report,
                inputs=["results_table", "run_comparison", "run_records", *pages],
                outputs="report",
                name="draw_report",
                namespace="report",
            ),
            *(
                Node(
                    draw_class_page,
                    inputs=["dataset_card", "results", "run_records"],
                    outputs=page,
                    name="draw_class_page",
                    namespace="report",
                )
                for page in pages
            ),
        ],
        tags="report",
    )
