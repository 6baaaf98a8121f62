"""Transfer: every prompt of the run, as it is, on the test images of other datasets."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.clip.dataset_features import extract_test_features
from vlprompt_pipeline.pipelines.data_preparation.nodes import check_dataset
from vlprompt_pipeline.pipelines.evaluation.nodes import EVALUATED, evaluate_prompt
from vlprompt_pipeline.pipelines.transfer.nodes import index_target, list_target_classes


def create_pipeline(
    methods: tuple[str, ...] = (), targets: tuple[str, ...] = (), **kwargs
) -> Pipeline:
    """Four nodes a target, and one for each (method, target); empty without targets."""
    prepared = [node for target in targets for node in _target_nodes(target)]
    scored = [_evaluation(method, target) for method in methods for target in targets]
    return Pipeline([*prepared, *scored])


def _target_nodes(target: str) -> list[Node]:
    index = update_wrapper(partial(index_target, target=target), index_target)
    workers = "params:features.workers"
    raw, card = f"{target}.target_raw_index", f"{target}.target_card"
    table = f"{target}.target_index"
    options = ["params:dataset_prefix", "dataset_root", "params:split", "params:own_data"]
    nodes = [
        (index, [*options, f"{target}.target_splits"], [raw, card], "index"),
        (
            check_dataset,
            [raw, card, "check_folder", workers],
            [table, f"{target}.target_check"],
            "check",
        ),
        (list_target_classes, [card], f"{target}.target_classes", "classes_of"),
        (
            extract_test_features,
            ["clip", table, card, "feature_store", "params:features"],
            f"{target}.target_features",
            "extract_features_of",
        ),
    ]
    return [
        Node(function, inputs, outputs, name=f"{verb}_{target}", namespace=target)
        for function, inputs, outputs, verb in nodes
    ]


def _evaluation(method: str, target: str) -> Node:
    return Node(
        evaluate_prompt,
        inputs=[
            f"{method}.packed_prompt",
            f"{method}.prompt",
            "clip",
            f"{target}.target_index",
            f"{target}.target_card",
            f"{target}.target_classes",
            f"{target}.target_features",
            "feature_store",
            "params:features",
            "params:metrics",
        ],
        outputs=[f"{method}.{target}.target_{what}" for what in EVALUATED],
        name=f"evaluate_{method}_on_{target}",
        namespace=f"{method}.{target}",
    )
