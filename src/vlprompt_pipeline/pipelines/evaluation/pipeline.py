"""Evaluation: two nodes a method, scores and the record that reports read."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.export import EXPORT_FORMATS
from vlprompt_pipeline.pipelines.evaluation.nodes import EVALUATED, evaluate_prompt
from vlprompt_pipeline.pipelines.evaluation.record import write_record
from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.namespaces import of_method
from vlprompt_pipeline.pipelines.prompt_training.nodes import TRAINED

_OF_RUN = {
    "table": "image_index",
    "card": "dataset_card",
    "class_subsets": "class_subsets",
    "test_features": "test_features",
}
_OF_TARGET = {
    "table": "target_index",
    "card": "target_card",
    "class_subsets": "target_classes",
    "test_features": "target_features",
}
"""What an evaluation reads of a dataset, by argument: names in the catalog."""
_TABLES = tuple(name for name in EVALUATED if name != "metrics")


def create_pipeline(
    protocol: str,
    methods: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    folders: str = "params:",
    **kwargs,
) -> Pipeline:
    """Create the evaluation nodes of each method; its record has its scores on targets, too."""
    evaluated = [evaluation_node(method, folders) for method in methods]
    recorded = [_record(method, protocol, targets) for method in methods]
    return Pipeline([*evaluated, *recorded], tags="evaluation")


def evaluation_node(method: str, folders: str, target: str = "") -> Node:
    """Create the node that scores a method on the run's dataset, or on a target dataset."""
    data = _OF_RUN
    if target:
        data = {argument: f"{target}.{name}" for argument, name in _OF_TARGET.items()}
    scored = f"{method}.{target}.target_" if target else f"{method}."
    return Node(
        bound(evaluate_prompt, method=method),
        inputs={
            "packed": f"{method}.packed_prompt",
            "prompt": f"{method}.prompt",
            "clip": "clip",
            **data,
            "store": f"{folders}feature_store",
            "features": "params:features",
            "metrics": "params:metrics",
            "recipes": "params:recipes",
            "few_shot_set": "few_shot_set",
        },
        outputs=[f"{scored}{output}" for output in EVALUATED],
        name=f"evaluate_{method}{f'_on_{target}' if target else ''}",
        namespace=of_method(method, target),
        tags=method,
    )


def _record(method: str, protocol: str, targets: tuple[str, ...]) -> Node:
    """Create a method's last node, which takes all its files as inputs to wait for all of them."""
    scores = [f"{method}.{target}.target_metrics" for target in targets]
    cards = [f"{target}.target_card" for target in targets]
    files = [f"{method}.{name}" for name in (*TRAINED[1:], *EXPORT_FORMATS, *_TABLES)]
    files += [f"{method}.{target}.target_{name}" for target in targets for name in _TABLES]
    return Node(
        bound(write_record, method=method, n_targets=len(targets)),
        inputs=[
            f"{method}.metrics",
            f"{method}.sizes",
            f"{method}.prompt",
            "clip",
            "class_subsets",
            "dataset_card",
            "image_index",
            "params:features",
            "few_shot_set",
            "params:remarks",
            "params:protocol",
            f"params:{protocol}",
            *scores,
            *cards,
            *files,
        ],
        outputs=f"{method}.record",
        name=f"record_{method}",
        namespace=of_method(method),
        tags=method,
    )
