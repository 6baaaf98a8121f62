"""Verification: run the pipeline of a cell again, each of its datasets under another name.

No dataset of that name is in the catalog, so the new results stay in memory. The folders that nodes
fill are new and empty. Images, the frozen CLIP and parameters are those of the first run.
"""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_preparation import pipeline as data_preparation
from vlprompt_pipeline.pipelines.evaluation import pipeline as evaluation
from vlprompt_pipeline.pipelines.feature_extraction import pipeline as feature_extraction
from vlprompt_pipeline.pipelines.few_shot_sampling import pipeline as few_shot_sampling
from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.namespaces import of_method
from vlprompt_pipeline.pipelines.prompt_training import pipeline as prompt_training
from vlprompt_pipeline.pipelines.quantization_export import pipeline as quantization_export
from vlprompt_pipeline.pipelines.transfer import pipeline as transfer
from vlprompt_pipeline.pipelines.verify.nodes import (
    check_stored,
    compare_with_stored,
    require_same,
    summarise,
)

STAGES = (
    data_preparation,
    few_shot_sampling,
    feature_extraction,
    prompt_training,
    quantization_export,
    transfer,
    evaluation,
)
AGAIN = "again_"
"""Prefix of the names of the second run's datasets and folders."""


def create_pipeline(
    protocol: str, verified: tuple[str, ...] = (), targets: tuple[str, ...] = (), **kwargs
) -> Pipeline:
    """Create a check of what is stored, the cell, a comparison a method, and the verdict."""
    cell = Pipeline(
        [
            stage.create_pipeline(
                protocol=protocol, methods=verified, targets=targets, folders=AGAIN
            )
            for stage in STAGES
        ]
    )
    folders = sorted(name for name in cell.inputs() if name.startswith(AGAIN))
    stored = [f"{method}.{name}" for name in ("reproducibility", "prompt") for method in verified]
    check = Node(
        bound(check_stored, folders=len(folders)),
        inputs=["params:fresh_folder", "params:project_folder", "clip", "parameters", *stored],
        outputs=folders,
        name="check_stored",
    )
    cell_again = Pipeline(cell, outputs={name: again(name) for name in cell.all_outputs()})
    verdict = [
        Node(
            summarise,
            inputs=["parameters", *(f"{method}.comparison" for method in verified)],
            outputs=["verification", "verification_text"],
            name="tell_differences",
        ),
        Node(
            require_same,
            inputs=["verification", "verification_text"],
            outputs=None,
            name="require_same",
        ),
    ]
    compared = [_comparison(method, targets) for method in verified]
    return Pipeline([check, cell_again, *compared, *verdict])


def again(name: str) -> str:
    """Name a dataset that is made again; no pattern of the catalog matches the name."""
    return f"{AGAIN}{name.replace('.', '_')}"


def _comparison(method: str, targets: tuple[str, ...]) -> Node:
    scored = [f"{method}.predictions", *(f"{method}.{t}.target_predictions" for t in targets)]
    scored += [f"{method}.metrics", *(f"{method}.{t}.target_metrics" for t in targets)]
    files = [f"{method}.prompt", f"{method}.packed_prompt"]
    return Node(
        bound(compare_with_stored, targets=targets),
        inputs=[
            f"{method}.reproducibility",
            "parameters",
            *files,
            *map(again, files),
            *scored,
            *map(again, scored),
        ],
        outputs=f"{method}.comparison",
        name=f"compare_{method}",
        namespace=of_method(method),
    )
