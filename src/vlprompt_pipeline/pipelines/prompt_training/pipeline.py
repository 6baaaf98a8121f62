"""Prompt training: one node a method, in the method's own namespace."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.prompt_training.nodes import train_prompt

SHARED = [
    "clip",
    "dataset_card",
    "few_shot_set",
    "class_halves",
    "training_features",
    "feature_store",
    "checkpoint_folder",
    "params:recipes",
    "params:features",
    "params:seed",
]


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """A training node for each method."""
    return Pipeline([_method_node(method) for method in methods])


def _method_node(method: str) -> Node:
    function = update_wrapper(partial(train_prompt, method=method), train_prompt)
    return Node(
        function,
        inputs=SHARED,
        outputs=[f"{method}.prompt", f"{method}.history"],
        name=f"train_{method}",
        namespace=method,
    )
