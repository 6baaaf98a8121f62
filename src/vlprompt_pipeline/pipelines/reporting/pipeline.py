"""Reporting: every record on disk as one table, two figures and one page."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.reporting.nodes import build_report


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """One node; the records of this run come first, then it reads all there are."""
    return Pipeline(
        [
            Node(
                build_report,
                inputs=["records", *(f"{method}.record" for method in methods)],
                outputs=[
                    "report_table",
                    "report_text",
                    "report_page",
                    "report_figures",
                    "headline_figure",
                ],
                name="build_report",
                namespace="report",
                tags="report",
            )
        ]
    )
