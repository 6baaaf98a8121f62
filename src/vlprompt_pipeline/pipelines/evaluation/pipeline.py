"""Evaluation: two nodes a method, scores and the record that reports read."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.evaluation.nodes import EVALUATED, evaluate_prompt, write_record


def create_pipeline(
    methods: tuple[str, ...] = (), targets: tuple[str, ...] = (), **kwargs
) -> Pipeline:
    """Evaluation nodes for each method; its record holds its scores on the targets, too."""
    return Pipeline([node for method in methods for node in _method_nodes(method, targets)])


def _method_nodes(method: str, targets: tuple[str, ...]) -> list[Node]:
    scores = [f"{method}.{target}.target_metrics" for target in targets]
    cards = [f"{target}.target_card" for target in targets]
    return [
        Node(
            evaluate_prompt,
            inputs=[
                f"{method}.packed_prompt",
                f"{method}.prompt",
                "clip",
                "image_index",
                "dataset_card",
                "class_subsets",
                "test_features",
                "feature_store",
                "params:features",
                "params:metrics",
            ],
            outputs=[f"{method}.{what}" for what in EVALUATED],
            name=f"evaluate_{method}",
            namespace=method,
        ),
        Node(
            update_wrapper(partial(write_record, method=method), write_record),
            inputs=[
                f"{method}.metrics",
                f"{method}.sizes",
                f"{method}.prompt",
                "clip",
                "class_subsets",
                "dataset_card",
                "params:protocol",
                "params:base_to_new.base_share",
                *scores,
                *cards,
            ],
            outputs=f"{method}.record",
            name=f"record_{method}",
            namespace=method,
        ),
    ]
