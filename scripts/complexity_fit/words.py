"""Hashed words and word pairs: a part that the score does not have, to see what it would add."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Ridge

from orchestrator.reading.features import Family

from .data import Floats, Mask, Outcomes
from .model import RECIPES, target

_RIDGE = 3.0
_BUCKETS = 1 << 16


def words_score(data: Outcomes, rows: Mask, asked: Mask) -> Floats:
    """A linear score of the words and word pairs of the prompts asked for, fitted family by family on other rows."""
    hashed = HashingVectorizer(
        n_features=_BUCKETS, ngram_range=(1, 2), alternate_sign=False, token_pattern=r"\w+|[^\w\s]"
    )
    matrix = hashed.transform(data.prompts)
    found = np.zeros(len(data.sets))
    for family in Family:
        fitted, predicted = rows & data.of_family(family), asked & data.of_family(family)
        if predicted.any():
            wanted = target(data, fitted, RECIPES[family].own)[fitted]
            ridge = Ridge(alpha=_RIDGE, solver="lsqr").fit(matrix[fitted], wanted)
            found[predicted] = ridge.predict(matrix[predicted])
    return found
