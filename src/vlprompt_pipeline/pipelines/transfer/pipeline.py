"""Transfer: every prompt of the run, as it is, on the test images of other datasets."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.clip.dataset_features import extract_test_features
from vlprompt_pipeline.pipelines.data_preparation.nodes import check_dataset, keep_checked
from vlprompt_pipeline.pipelines.evaluation.nodes import EVALUATED, evaluate_prompt
from vlprompt_pipeline.pipelines.transfer.nodes import index_target, list_target_classes


def create_pipeline(
    methods: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    folders: str = "params:",
    **kwargs,
) -> Pipeline:
    """Create five nodes a target, and one for each method and target; none without targets.

    Args:
        methods: names of recipes.
        targets: datasets that the prompts are scored on.
        folders: what names of folders that nodes fill begin with.
        kwargs: arguments of other stages.
    """
    prepared = [node for target in targets for node in _target_nodes(target, folders)]
    scored = [_evaluation(method, target, folders) for method in methods for target in targets]
    return Pipeline([*prepared, *scored], tags="transfer")


def _target_nodes(target: str, folders: str) -> list[Node]:
    raw, card = f"{target}.target_raw_index", f"{target}.target_card"
    table = f"{target}.target_index"
    namespace = f"targets.{target}"
    return [
        Node(
            update_wrapper(partial(index_target, target=target), index_target),
            inputs={
                "prefix": "params:dataset_prefix",
                "dataset_root": "params:datasets_folder",
                "split": "params:split",
                "own_data": "params:own_data",
                "split_folder": f"{folders}split_folder",
                "kept_splits": "params:kept_split_folder",
                "check_folder": f"{folders}check_folder",
                "workers": "params:features.workers",
            },
            outputs=[raw, card],
            name=f"index_{target}",
            namespace=namespace,
        ),
        Node(
            check_dataset,
            inputs=[raw, card, f"{folders}check_folder", "params:features.workers"],
            outputs=f"{target}.target_check",
            name=f"check_{target}",
            namespace=namespace,
        ),
        Node(
            keep_checked,
            inputs=[raw, f"{target}.target_check"],
            outputs=table,
            name=f"keep_checked_images_of_{target}",
            namespace=namespace,
        ),
        Node(
            list_target_classes,
            inputs=card,
            outputs=f"{target}.target_classes",
            name=f"classes_of_{target}",
            namespace=namespace,
        ),
        Node(
            extract_test_features,
            inputs=["clip", table, card, f"{folders}feature_store", "params:features"],
            outputs=f"{target}.target_features",
            name=f"extract_features_of_{target}",
            namespace=namespace,
        ),
    ]


def _evaluation(method: str, target: str, folders: str) -> Node:
    return Node(
        update_wrapper(partial(evaluate_prompt, method=method), evaluate_prompt),
        inputs={
            "packed": f"{method}.packed_prompt",
            "prompt": f"{method}.prompt",
            "clip": "clip",
            "table": f"{target}.target_index",
            "card": f"{target}.target_card",
            "class_subsets": f"{target}.target_classes",
            "test_features": f"{target}.target_features",
            "store": f"{folders}feature_store",
            "features": "params:features",
            "metrics": "params:metrics",
            "recipes": "params:recipes",
            "few_shot_set": "few_shot_set",
        },
        outputs=[f"{method}.{target}.target_{output}" for output in EVALUATED],
        name=f"evaluate_{method}_on_{target}",
        namespace=f"{method}.{target}",
        tags=method,
    )
