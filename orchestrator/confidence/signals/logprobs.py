"""How sure a model was of the tokens that it wrote, where its provider says so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...types import TokenLogprob
from ..signal import Signal

# Set by hand, since no recorded outcomes have log-probabilities: a mean of 0.85 a token, as a fluent answer has, says
# nothing; each halving of the mean beyond that costs about a logit, and being surer than that gains little.
_USUAL = math.log(0.85)
_SLOPE, _MOST, _LEAST = 1.5, 0.4, -2.0


def logprob_signal(tokens: Sequence[TokenLogprob]) -> Signal | None:
    """From the mean log-probability a token (natural logarithm); None without tokens."""
    known = [token.logprob for token in tokens if math.isfinite(token.logprob)]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    logit = min(_MOST, max(_LEAST, _SLOPE * (mean - _USUAL)))
    return Signal("log-probabilities", logit, f"tokens of {math.exp(mean):.0%} on average")
