"""Reporting: this run compared with what is on disk, as a table, figures and a page."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.reporting.nodes import compare_run, draw_report


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create two nodes; they run after the records of this run, and read all on disk."""
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
        ]
    )
