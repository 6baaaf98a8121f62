"""Write a version as MLflow's folder: model file, artifacts, signature, example, requirements."""

from __future__ import annotations

from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array
from PIL import Image

from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.registry.classifier import TOP
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.integrity import CLIP_FOLDER

MODEL_FILE = Path(__file__).with_name("model.py")

# Any type, so that a row that is no image answers for itself: MLflow's binary type would decode
# everything in JSON as if it were base64, data-URLs too, and refuse the whole request for a number.
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(AnyType(), "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "score"),
            ColSpec(Array(DataType.string), "top_labels"),
            ColSpec(Array(DataType.double), "top_scores"),
            ColSpec(Array(DataType.string), "label_set", required=False),
            ColSpec(DataType.string, "problem", required=False),
        ]
    ),
    params=ParamSchema(
        [
            ParamSpec("class_names", DataType.string, default=[], shape=(-1,)),
            ParamSpec("top_k", DataType.long, default=TOP),
            ParamSpec("accuracy", DataType.double, default=None),
        ]
    ),
)
_PINNED = (
    "vlprompt_pipeline",
    "mlflow",
    "numpy",
    "open_clip_torch",
    "pandas",
    "pillow",
    "pydantic",
    "safetensors",
    "torch",
    "torchvision",
)


def requirements() -> list[str]:
    """List the exact versions in use, without `+cpu` and its like, which no index knows."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _PINNED]


def save_package(contents: Contents, folder: Path) -> Model:
    """Write the folder of a version; return MLflow's description of it, which can be changed.

    Args:
        contents: of the version.
        folder: must not exist yet.
    """
    described = Model()
    with TemporaryDirectory() as temporary:
        files = contents.write(Path(temporary))
        hashes = {name: sha256_file(path) for name, path in files.items() if name != CLIP_FOLDER}
        mlflow.pyfunc.save_model(
            folder,
            mlflow_model=described,
            python_model=str(MODEL_FILE),
            artifacts=files,
            model_config={
                "clip_source": contents.clip_source,
                "device": "auto",
                "files_sha256": hashes,
            },
            signature=SIGNATURE,
            input_example=pd.DataFrame({"image": [_example()]}),
            pip_requirements=requirements(),
        )
    return described


def _example() -> bytes:
    """Return a grey ramp as an example image."""
    stream = BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(stream, "PNG")
    return stream.getvalue()
