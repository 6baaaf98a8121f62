"""Prompt training: a check of all methods, then a node for each in its own namespace."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.prompt_training.nodes import TRAINED, check_prompts, train_prompt


def create_pipeline(
    protocol: str,
    methods: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    folders: str = "params:",
    **kwargs,
) -> Pipeline:
    """Create the check, which needs no features and so runs first, and a node for each method.

    Args:
        protocol: its name, which its section of the parameters has, too.
        methods: names of recipes.
        targets: datasets that the prompts are scored on, too.
        folders: what names of folders that nodes fill begin with.
        kwargs: arguments of other stages.
    """
    check = Node(
        update_wrapper(partial(check_prompts, methods=methods), check_prompts),
        inputs=[
            "clip",
            "dataset_card",
            "params:recipes",
            "params:protocol",
            f"params:{protocol}",
            "params:export",
            *(f"{target}.target_card" for target in targets),
        ],
        outputs="parameter_counts",
        name="check_prompts",
    )
    trained = [_method_node(method, folders) for method in methods]
    return Pipeline([check, *trained], tags="training")


def _method_node(method: str, folders: str) -> Node:
    function = update_wrapper(partial(train_prompt, method=method), train_prompt)
    return Node(
        function,
        inputs={
            "clip": "clip",
            "card": "dataset_card",
            "few_shot_set": "few_shot_set",
            "class_subsets": "class_subsets",
            "training_features": "training_features",
            "validation_features": "validation_features",
            "store": f"{folders}feature_store",
            "checkpoints": f"{folders}checkpoint_folder",
            "recipes": "params:recipes",
            "features": "params:features",
            "seed": "params:seed",
        },
        outputs=[f"{method}.{output}" for output in TRAINED],
        name=f"train_{method}",
        namespace=method,
        tags=method,
    )
