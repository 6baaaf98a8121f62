"""What a prompt tensor may be made of: parametrizations that go on any method's tensor."""

from vlprompt_pipeline.parametrizations.clustering import kmeans_1d
from vlprompt_pipeline.parametrizations.kmeans import (
    ClusteringCheck,
    KMeansConfig,
    KMeansQuantizer,
    decode,
    quantized_tensors,
)

__all__ = [
    "ClusteringCheck",
    "KMeansConfig",
    "KMeansQuantizer",
    "decode",
    "kmeans_1d",
    "quantized_tensors",
]
