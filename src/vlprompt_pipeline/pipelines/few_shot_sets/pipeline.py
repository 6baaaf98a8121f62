"""Few-shot sets: every dataset, every published number of shots, every seed."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.few_shot_sets.nodes import draw_all_few_shot_sets


def create_pipeline(**kwargs) -> Pipeline:
    """Create the one node; it writes the files that `few_shot_sampling` writes one by one."""
    return Pipeline(
        [
            Node(
                draw_all_few_shot_sets,
                inputs=["params:dataset_prefix", "params:datasets_folder"],
                outputs="few_shot_sets",
                name="draw_all_few_shot_sets",
            )
        ]
    )
