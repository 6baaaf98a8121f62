"""Benchmark report: the comparison, then everything that is written of it."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.benchmark_report.nodes import compare_methods, draw, write_tables


def create_pipeline(**kwargs) -> Pipeline:
    """Create nodes that read the results of all runs on disk."""
    return Pipeline(
        [
            Node(
                compare_methods,
                inputs=[
                    "results",
                    "params:benchmark_report",
                    "params:recipes",
                    "params:clip.name",
                    "params:dataset_prefix",
                    "params:dataset_root",
                    "params:project_folder",
                    "params:given",
                ],
                outputs="benchmark_comparison",
                name="compare_methods",
            ),
            Node(
                write_tables,
                inputs="benchmark_comparison",
                outputs=[
                    "benchmark_scores_csv",
                    "benchmark_scores",
                    "benchmark_pairs",
                    "benchmark_missing",
                    "benchmark_latex",
                    "benchmark_markdown",
                    "benchmark_text",
                ],
                name="write_benchmark_tables",
            ),
            Node(
                draw,
                inputs="benchmark_comparison",
                outputs=["benchmark_page", "benchmark_figures_png", "benchmark_figures_svg"],
                name="draw_benchmark",
            ),
        ]
    )
