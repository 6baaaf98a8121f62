"""Photos that are probably labelled wrongly, by confident learning on their features.

A logistic regression on the features predicts each photo from the others (cross-validation), and
cleanlab compares the label with these predictions (Northcutt, Jiang and Chuang, Confident Learning,
JAIR 2021).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from vlprompt_pipeline.curation.embeddings import Embeddings
from vlprompt_pipeline.errors import DataError

_FOLDS = 5  # our choice
_FEWEST = 2  # photos of a class, so that one can be predicted from another


def label_errors(embeddings: Embeddings) -> pd.DataFrame:
    """Return a row for each photo with a label: `path`, `given`, `label`, `score`, `doubtful`.

    `label` is what the others predict with probability `score`, followed by the second best as
    `label_2` and `score_2`; `doubtful` are those that cleanlab takes for label errors, the least
    consistent first. Photos of classes with fewer than two are left out.

    Raises:
        DataError: there are fewer than two classes with two photos.
    """
    given = np.array(embeddings.labels)
    names, sizes = np.unique(given, return_counts=True)
    names = names[(names != "") & (sizes >= _FEWEST)]
    if len(names) < 2:
        raise DataError(
            "label errors need two classes with two photos each: the folders that photos lie in "
            "are their labels"
        )
    rows = np.flatnonzero(np.isin(given, names))
    labels = np.searchsorted(names, given[rows])
    folds = StratifiedKFold(min(_FOLDS, np.bincount(labels).min()), shuffle=True, random_state=0)
    probabilities = cross_val_predict(
        LogisticRegression(C=10.0, max_iter=1000),
        embeddings.features[rows],
        labels,
        cv=folds,
        method="predict_proba",
    )
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    scores = np.take_along_axis(probabilities, best, axis=1)
    table = pd.DataFrame(
        {
            "path": [embeddings.paths[row] for row in rows],
            "given": names[labels],
            "label": names[best[:, 0]],
            "score": scores[:, 0],
            "label_2": names[best[:, 1]],
            "score_2": scores[:, 1],
            "doubtful": find_label_issues(labels, probabilities, n_jobs=1),
            "quality": get_label_quality_scores(labels, probabilities),
        }
    )
    order = ["doubtful", "quality"]
    table = table.sort_values(order, ascending=[False, True], kind="stable")
    return table.drop(columns="quality").reset_index(drop=True)
