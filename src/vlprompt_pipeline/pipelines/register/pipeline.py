"""Registration: one node that refuses unfinished cells, then one per method."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.namespaces import REGISTRATION
from vlprompt_pipeline.pipelines.register.nodes import register_method, require_finished


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create nodes that read what a finished cell left; nothing of it is computed again."""
    return Pipeline(
        [
            Node(
                require_finished,
                inputs=[
                    "params:tracking",
                    "params:project_folder",
                    "results",
                    "params:benchmark_report",
                    "params:recipes",
                    "params:clip.name",
                    *(f"{method}.record" for method in methods),
                ],
                outputs=["finished_records", "registration_verdicts"],
                name="require_finished",
                namespace=REGISTRATION,
            ),
            *(_registration(method) for method in methods),
        ]
    )


def _registration(method: str) -> Node:
    return Node(
        register_method,
        inputs={
            "record": f"{method}.record",
            "prompt": f"{method}.prompt",
            "packed": f"{method}.packed_prompt",
            "predictions": f"{method}.predictions",
            "finished": "finished_records",
            "verdicts": "registration_verdicts",
            "clip": "clip",
            "card": "dataset_card",
            "images": "image_index",
            "class_subsets": "class_subsets",
            "test_features": "test_features",
            "few_shot_set": "few_shot_set",
            "store": "params:feature_store",
            "features": "params:features",
            "export": "params:export",
            "how": "params:registry",
            "tracking": "params:tracking",
            "project": "params:project_folder",
        },
        outputs=f"{method}.registration",
        name=f"register_{method}",
        namespace=f"{REGISTRATION}.{method}",
    )
