"""Transfer: every prompt of the run, as it is, on the test images of other datasets."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.clip.dataset_features import extract_test_features
from vlprompt_pipeline.pipelines.data_preparation.pipeline import preparation_nodes
from vlprompt_pipeline.pipelines.evaluation.pipeline import evaluation_node
from vlprompt_pipeline.pipelines.transfer.nodes import list_target_classes


def create_pipeline(
    methods: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    folders: str = "params:",
    **kwargs,
) -> Pipeline:
    """Create five nodes a target, and one for each method and target; none without targets."""
    prepared = [node for target in targets for node in _target_nodes(target, folders)]
    scored = [evaluation_node(method, folders, target) for method in methods for target in targets]
    return Pipeline([*prepared, *scored], tags="transfer")


def _target_nodes(target: str, folders: str) -> list[Node]:
    index, card, namespace = f"{target}.target_index", f"{target}.target_card", f"targets.{target}"
    return [
        *preparation_nodes(folders, target),
        Node(
            list_target_classes,
            inputs=card,
            outputs=f"{target}.target_classes",
            name=f"classes_of_{target}",
            namespace=namespace,
        ),
        Node(
            extract_test_features,
            inputs=["clip", index, card, f"{folders}feature_store", "params:features"],
            outputs=f"{target}.target_features",
            name=f"extract_features_of_{target}",
            namespace=namespace,
        ),
    ]
