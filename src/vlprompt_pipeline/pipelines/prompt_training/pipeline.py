"""Prompt training: a check and a node that trains for each method, in its own namespace."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.namespaces import of_method
from vlprompt_pipeline.pipelines.prompt_training.nodes import TRAINED, check_prompt, train_prompt


def create_pipeline(
    protocol: str,
    methods: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    folders: str = "params:",
    **kwargs,
) -> Pipeline:
    """Create the checks, which need no features and so run first, and a node for each method."""
    cards = [f"{target}.target_card" for target in targets]
    checks = [_check(method, protocol, cards) for method in methods]
    trained = [_training(method, folders) for method in methods]
    return Pipeline([*checks, *trained], tags="training")


def _check(method: str, protocol: str, target_cards: list[str]) -> Node:
    return Node(
        bound(check_prompt, method=method),
        inputs=[
            "clip",
            "dataset_card",
            "params:recipes",
            "params:protocol",
            f"params:{protocol}",
            "params:export",
            *target_cards,
        ],
        outputs=None,
        name=f"check_{method}",
        namespace=of_method(method),
        tags=method,
    )


def _training(method: str, folders: str) -> Node:
    return Node(
        bound(train_prompt, method=method),
        inputs={
            "clip": "clip",
            "table": "image_index",
            "card": "dataset_card",
            "few_shot_set": "few_shot_set",
            "class_subsets": "class_subsets",
            "few_shot_features": "few_shot_features",
            "store": f"{folders}feature_store",
            "checkpoints": f"{folders}checkpoint_folder",
            "groups": f"{folders}group_folder",
            "recipes": "params:recipes",
            "features": "params:features",
            "seed": "params:seed",
            "side_by_side": "params:side_by_side",
        },
        outputs=[f"{method}.{output}" for output in TRAINED],
        name=f"train_{method}",
        namespace=of_method(method),
        tags=method,
    )
