"""A comparison as plain tables, from which texts, pages and figures are written."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from vlprompt_pipeline.results.groups import GroupKey


@dataclass(frozen=True)
class Comparison:
    """Every score of every finished cell that was asked for, aggregated over seeds.

    A family is what may stand in one table: same protocol, CLIP weights, template set, and (but for
    few-shot curves) shots; where targets are scored, the same source and targets too. Its name is
    short and unique, such as `base_to_new_demo_16shots`, and fits a file name. Every table has its
    columns even where it has no row.

    Attributes:
        families: one row a family: `family, title, protocol, clip, weights_sha256, template_set,
            shots, source, ranking`. `shots` is 0 where shots stand side by side (`few_shot`);
            `source` is the dataset trained on where targets are scored, else empty; `ranking` the
            metric that orders its methods (that of `average` where there is such a row).
        scores: one row a score: `family, dataset, shots, method, metric`, which are its key, then
            `title, seeds, n_seeds, mean, std, sample_std, low, high, images, per_seed, caveats,
            flags, published, published_std, delta, inside, published_source, published_flags`.
            `metric`, in percent, is one of `base, new, h, mean_of_h` with new classes, else
            `accuracy`; where records have them `generalised_base, generalised_new, generalised_h`,
            and every recorded metric (`Score.metrics`), with halves as in `base_macro_f1`.
            `h` is the H of the averages over seeds and datasets, `mean_of_h` the mean of the H of
            each seed or dataset: the other convention.
            `dataset` may be `AVERAGE`, for methods that have all datasets of the family; with a
            source it is over the targets alone, as in the papers. Own random splits are part of
            the dataset's name: `my_photos (own random split, seed 1)`.
            `seeds` is a tuple, and so is `per_seed`, the values of the seeds in their order (empty
            where unknown) and `caveats`, what makes the figure say little. `std` is that of
            the population over seeds, `sample_std` with n - 1, both NaN for one seed; `low` and
            `high` bound the 95 % bootstrap interval over `images` test images, of accuracies and
            their `h` (of an average: images within each dataset).
            `delta` is `mean - published`; `inside` is `yes`, `no` or `not stated` (no variation
            was printed), empty without published figure.
            `flags` are a tuple of what makes the method's own figure less comparable, by the short
            names of `flags.MEANINGS`; `published_flags` those of the published figure. NaN where
            there is nothing to say, empty text in columns of text.
        pairs: one row a comparison of two methods on the same images, averages too: `family,
            dataset, shots, metric, method, against, seeds, difference, low, high, p_value, p_holm,
            tests, test, verdict`; `p_holm` is corrected for `tests` of them, all of one metric in
            the family; the verdict on `method` is `better`, `worse` or `no difference shown`.
        sizes: one row a (family, method): `family, method, title, trainable_parameters,
            payload_bytes, file_bytes, fp16_bytes, inference_cost`, the largest over datasets, shots
            and seeds.
        missing: one row a cell that was asked for and is not there: `protocol, clip, dataset,
            shots, seed, method, reason, command`; the command makes the cell.
        provenance: one row a (family, cell): `family, dataset, shots, seed, split_sha256,
            random_split, few_shot_sha256, code_version, base_classes, new_classes, test_images,
            group`; classes are tuples of names, `test_images` a text, `group` the `GroupKey` of
            the cell's records.
        remarks: what a reader must know, one sentence each: left-out files, mixed fingerprints.
        newest: date of the newest result, such as "2026-03-01"; empty where it is unknown.
    """

    families: pd.DataFrame
    scores: pd.DataFrame
    pairs: pd.DataFrame
    sizes: pd.DataFrame
    missing: pd.DataFrame
    provenance: pd.DataFrame
    remarks: tuple[str, ...]
    newest: str = ""

    def of(self, family: str, table: str = "scores") -> pd.DataFrame:
        """Return the rows of one family."""
        rows = getattr(self, table)
        return rows[rows["family"] == family].reset_index(drop=True)

    def family_of(self, key: GroupKey) -> str:
        """Return the family that has the results of a group; empty if none has."""
        rows = self.provenance.itertuples()
        return next((row.family for row in rows if row.group == key), "")
