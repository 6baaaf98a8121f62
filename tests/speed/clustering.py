"""Exact one-dimensional k-means against scikit-learn's best of 50 restarts, in one process.

Run: python tests/speed/clustering.py
"""

from __future__ import annotations

import numpy as np
from clock import processor_seconds
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from vlprompt_pipeline.parametrizations import kmeans_1d

VALUES = 2048  # weights of a CoOp prompt with 4 vectors of width 512


def main() -> None:
    """Print a row for each number of centroids."""
    values = np.random.default_rng(0).normal(size=VALUES)
    print("centroids  ours [ms]  restarts [ms]  ratio  error / error of restarts")
    for k in (2, 4, 16):
        restarts = KMeans(k, n_init=50, random_state=0)
        with threadpool_limits(1):  # its threads only wait for each other on so few values
            slow = processor_seconds(lambda: restarts.fit(values[:, None]), 5)  # noqa: B023
        fast = processor_seconds(lambda: kmeans_1d(values, k), 50)  # noqa: B023
        nearest = np.abs(values[:, None] - kmeans_1d(values, k)).min(1)
        error = (nearest**2).sum() / restarts.inertia_
        print(f"{k:9d}  {1e3 * fast:9.3f}  {1e3 * slow:13.1f}  {slow / fast:5.0f}  {error:.6f}")


if __name__ == "__main__":
    main()
