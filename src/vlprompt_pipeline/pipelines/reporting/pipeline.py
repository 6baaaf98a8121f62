"""Reporting: this run compared with what is on disk, as a table, figures and a page."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.reporting.nodes import (
    compare_run,
    draw_class_page,
    draw_report,
)


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create the nodes; they run after the records of this run, and two read all on disk."""
    return Pipeline(
        [
            Node(
                compare_run,
                inputs=[
                    "records",
                    "all_predictions",
                    "params:benchmark_report",
                    "params:recipes",
                    "params:clip.name",
                    "params:dataset_prefix",
                    "params:given",
                    *(f"{method}.record" for method in methods),
                ],
                outputs=["report_table", "run_comparison"],
                name="compare_run",
                namespace="report",
                tags="report",
            ),
            Node(
                draw_report,
                inputs="run_comparison",
                outputs=["report_text", "report_page", "report_figures", "headline_figure"],
                name="draw_report",
                namespace="report",
                tags="report",
            ),
            *([_class_page(methods)] if methods else []),
        ]
    )


def _class_page(methods: tuple[str, ...]) -> Node:
    return Node(
        draw_class_page,
        inputs=[
            "dataset_card",
            "class_subsets",
            *(f"{method}.record" for method in methods),
            *(f"{method}.predictions" for method in methods),
        ],
        outputs="class_page",
        name="draw_class_page",
        namespace="report",
        tags="report",
    )
