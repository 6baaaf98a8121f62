"""Export to ONNX: one node a method."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.namespaces import of_method
from vlprompt_pipeline.pipelines.onnx.nodes import export_onnx


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create nodes that read what a finished cell left; nothing of it is computed again."""
    return Pipeline(
        [
            Node(
                bound(export_onnx, method=method),
                inputs={
                    "prompt": f"{method}.prompt",
                    "packed": f"{method}.packed_prompt",
                    "clip": "clip",
                    "card": "dataset_card",
                    "index": "image_index",
                    "few_shot_set": "few_shot_set",
                    "export": "params:export",
                    "features": "params:features",
                    "recipes": "params:recipes",
                    "onnx": "params:onnx",
                    "registry": "params:registry",
                    "store": "params:feature_store",
                    "folder": "params:onnx_folder",
                    "project": "params:project_folder",
                },
                outputs=f"{method}.onnx_graphs",
                name=f"export_onnx_{method}",
                namespace=of_method(method),
            )
            for method in methods
        ]
    )
