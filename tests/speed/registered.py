"""Registered models on test images: the same labels as the evaluation, and how fast they come.

    python tests/speed/registered.py 500 zero_shot coop qcoop

in a project whose default dataset has been run and registered (`kedro run`, then `kedro run
--pipelines=register`). Every model is loaded with pickles forbidden and classifies image files
through MLflow, base images among the base classes, new ones among the new.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import numpy as np
import pandas as pd

DATASET = "demo_aerial"
CELL = f"data/07_model_output/demo/{DATASET}/base_to_new/shots16/seed1"


def main(count: int, methods: list[str]) -> None:
    """Print a row a method."""
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    halves = json.loads(
        Path(f"data/05_model_input/{DATASET}/base_to_new/class_subsets.json").read_text()
    )
    folder = Path(
        json.loads(Path(f"data/02_intermediate/{DATASET}/dataset_card.json").read_text())["folder"]
    )
    print(f"{'method':24}{'images':>8}{'same top-1':>12}{'accuracy':>10}{'images/s':>10}")
    for method in methods:
        model = mlflow.pyfunc.load_model(f"models:/{DATASET}.{method}/{_version(method)}")
        predictions = pd.read_parquet(f"{CELL}/{method}/predictions.parquet")
        rows = predictions[predictions["half"].isin(halves)]
        rows = rows.iloc[np.linspace(0, len(rows) - 1, count).round().astype(int)]
        same, right, seconds = 0, 0, 0.0
        for half, part in rows.groupby("half"):
            names = halves[half]["class_names"]
            images = pd.DataFrame(
                {"image": [(folder / path).read_bytes() for path in part["path"]]}
            )
            model.predict(images[:1], params={"class_names": names})  # text features are made once
            start = perf_counter()
            said = model.predict(images, params={"class_names": names})
            seconds += perf_counter() - start
            evaluated = [names[index] for index in part["prediction"]]
            truth = [names[index] for index in part["label"]]
            same += int((said["label"] == evaluated).sum())
            right += int((said["label"] == truth).sum())
        accuracy, rate = 100 * right / len(rows), len(rows) / seconds
        print(f"{method:24}{len(rows):8}{same:12}{accuracy:10.1f}{rate:10.0f}")


def _version(method: str) -> str:
    """The newest version of seed 1."""
    rows = mlflow.MlflowClient().search_model_versions(
        f"name = '{DATASET}.{method}' and tags.seed = '1'", order_by=["version_number DESC"]
    )
    return str(rows[0].version)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
