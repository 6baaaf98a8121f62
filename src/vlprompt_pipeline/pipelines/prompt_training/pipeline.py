"""Prompt training: a check of all methods, then a node for each in its own namespace."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.prompt_training.nodes import check_prompts, train_prompt

SHARED = [
    "clip",
    "dataset_card",
    "few_shot_set",
    "class_subsets",
    "training_features",
    "validation_features",
    "feature_store",
    "checkpoint_folder",
    "params:recipes",
    "params:features",
    "params:seed",
]


def create_pipeline(
    methods: tuple[str, ...] = (), targets: tuple[str, ...] = (), **kwargs
) -> Pipeline:
    """The check, which needs no features and so comes before them, and a node for each method."""
    check = Node(
        update_wrapper(partial(check_prompts, methods=methods), check_prompts),
        inputs=[
            "clip",
            "dataset_card",
            "params:recipes",
            "params:protocol",
            "params:base_to_new.base_share",
            "params:export",
            *(f"{target}.target_card" for target in targets),
        ],
        outputs="parameter_counts",
        name="check_prompts",
    )
    return Pipeline([check, *map(_method_node, methods)])


def _method_node(method: str) -> Node:
    function = update_wrapper(partial(train_prompt, method=method), train_prompt)
    return Node(
        function,
        inputs=SHARED,
        outputs=[f"{method}.prompt", f"{method}.history", f"{method}.clusterings"],
        name=f"train_{method}",
        namespace=method,
    )
