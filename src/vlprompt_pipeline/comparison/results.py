"""What a comparison knows, as plain tables: whoever writes text, pages or figures reads these."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

KEY = ("family", "dataset", "method", "metric")


@dataclass(frozen=True)
class Comparison:
    """Every score of every finished cell that was asked for, aggregated over seeds.

    A family is what may stand in one table: same protocol, CLIP weights, template set, and (but for
    few-shot curves) shots. Its name is short and unique, such as `base_to_new_demo_16shots`.

    Attributes:
        families: one row a family: `family, title, protocol, clip, weights_sha256, template_set,
            shots, source, ranking`. `source` is the dataset trained on where targets are scored,
            else empty; `ranking` the metric that orders its methods.
        scores: one row a `KEY`: its columns, then `title, shots, seeds, n_seeds, mean, std,
            sample_std, low, high, images, published, published_std, delta, inside,
            published_source, flags`.
            `metric` is one of `base, new, h, accuracy, base_top5, new_top5, …`, in percent;
            `dataset` may be `average`, which has the mean over the family's datasets for methods
            that have them all (`h`: H of the averages; `mean_of_h`: the other convention).
            `std` is that of the population over seeds, `sample_std` with n - 1; `low` and `high`
            bound the 95 % bootstrap interval over test images. `delta` is `mean - published`;
            `inside` is `yes`, `no` or `not stated` (no variation was printed), empty without
            published figure. NaN where there is nothing to say.
        pairs: one row a comparison of two methods on the same images: `family, dataset, metric,
            method, against, difference, low, high, p_value, p_holm, test, verdict`; the verdict is
            `better`, `worse` or `no difference shown`.
        sizes: one row a (family, method): `family, method, title, trainable_parameters,
            payload_bytes, file_bytes, fp16_bytes, inference_cost`.
        missing: one row a cell that was asked for and is not there: `protocol, dataset, shots,
            seed, method, reason`.
        remarks: what a reader must know, one sentence each: left-out files, mixed fingerprints.
    """

    families: pd.DataFrame
    scores: pd.DataFrame
    pairs: pd.DataFrame
    sizes: pd.DataFrame
    missing: pd.DataFrame
    remarks: tuple[str, ...]

    def of(self, family: str, table: str = "scores") -> pd.DataFrame:
        """The rows of one family."""
        rows = getattr(self, table)
        return rows[rows["family"] == family].reset_index(drop=True)
