"""How hard a prompt is: features a person can read, weighed by a fit to recorded outcomes; levels as cuts of the score.

    logit = baseline + prior + fitted weights of the features,   score = 1 / (1 + exp(-logit))

The score is the chance that a strong model's answer to the prompt is better than a weak model's, as far as the words
of the prompt tell. Prompts of each form (`features.Family`) have weights of their own, from `weights.json`; open
prompts start from beliefs set by hand (`prior`). What counted is in `Analysis.features`, in words, and adds up to the
logit. docs/decisions.md has what each part is worth. A `Scorer` of the user's own can take the place of all this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..config import Settings
from ..config.tuned import Adjustment, logistic
from ..deferred import replace
from ..types import Analysis, Level
from .answer import expected_output_tokens
from .features import Family, Features, feature_names, read_features
from .fitted import load_weights
from .indicators import find_indicators
from .parsing import ParsedPrompt
from .prior import believed, indicated, plainly_ordered
from .prose import Prose
from .scorer import Scorer, load_scorer, scored
from .wording import in_words

CUTS: tuple[float, float, float] = (0.113, 0.145, 0.335)  # basic below the first, expert from the last


def level_of(score: float, cuts: Sequence[float] = CUTS) -> Level:
    """The level that a score from 0 to 1 stands for: how many of the three cuts it has reached."""
    return list(Level)[sum(score >= cut for cut in cuts)]


def difficulty_of(score: float, cuts: Sequence[float] = CUTS) -> float:
    """Where a score stands on the scale of the levels, 0 to 1: a quarter for each, and even within it."""
    bounds = (0.0, *cuts, 1.0)
    level = level_of(score, cuts).rank
    low, high = bounds[level], bounds[level + 1]
    return (level + (score - low) / ((high - low) or 1.0)) / len(Level)


def analyzer_for(settings: Settings) -> ComplexityAnalyzer:
    """The analyzer that is configured. Raises ConfigError for a scorer that cannot be loaded."""
    configured = settings.complexity
    scorer = None if configured.scorer is None else load_scorer(configured.scorer, settings.config_dir)
    return ComplexityAnalyzer(cuts=configured.cuts or CUTS, scorer=scorer, adjustment=configured.adjustment)


class ComplexityAnalyzer:
    """Reads a prompt and says how hard it is, what kind of task, and how many tokens.

    `cuts` are three scores that rise: where intermediate, advanced and expert begin. `scorer` gives the score in place
    of the built-in one; its features, if it gives any, are those of the analysis. `adjustment` is what a user's own
    outcomes say of the built-in score.
    """

    def __init__(
        self, *, cuts: Sequence[float] = CUTS, scorer: Scorer | None = None, adjustment: Adjustment | None = None
    ) -> None:
        self.cuts = tuple(cuts)
        self._scorer = scorer
        known = () if adjustment is None else feature_names()
        adjustment = adjustment or Adjustment()
        # Another version of orch may have had other features.
        weights = tuple(weight for weight in adjustment.weights if weight.feature in known)
        self._adjustment = replace(adjustment, weights=weights)

    def analyze(self, prompt: str | ParsedPrompt) -> Analysis:
        """Analyse any string, or one that is parsed. The cost is bounded: the middle of a very long one is not read.

        Raises nothing with the built-in score, and ConfigError for a scorer of the user's own that fails.
        """
        parsed = ParsedPrompt.of(prompt)
        if self._scorer is None:
            score, features = self._score(parsed)
        else:
            score, features = scored(self._scorer, parsed.text)
        level = level_of(score, self.cuts)
        input_tokens = parsed.tokens.expected
        output_tokens = expected_output_tokens(parsed.task, level, input_tokens, parsed.prose, parsed.form)
        difficulty = difficulty_of(score, self.cuts)
        return Analysis(score, level, parsed.task, features, input_tokens, output_tokens, difficulty)

    def evidence(self, prompt: str | ParsedPrompt) -> Evidence | None:
        """What the built-in score is made of before any adjustment; None with a scorer of the user's own."""
        if self._scorer is not None:
            return None
        parsed = ParsedPrompt.of(prompt)
        features = read_features(parsed.text, parsed.prose, parsed.task)
        baseline, logits = _logits(features, parsed.prose)
        return Evidence(baseline + math.fsum(logits.values()), features.values)

    def _score(self, parsed: ParsedPrompt) -> tuple[float, dict[str, float]]:
        features = read_features(parsed.text, parsed.prose, parsed.task)
        baseline, logits = _logits(features, parsed.prose)
        adjusted, scale = self._adjustment, self._adjustment.scale
        logits = {name: scale * logit for name, logit in logits.items()}
        for weight in adjusted.weights:
            own = weight.logit(features.values.get(weight.feature, 0.0))
            logits[weight.feature] = logits.get(weight.feature, 0.0) + own
        rows = {"baseline": scale * baseline + adjusted.intercept} | in_words(logits, features)
        return logistic(sum(rows.values())), rows


class Evidence(NamedTuple):
    """What the built-in score of a prompt adds up to, in logits, and the features that it read."""

    logit: float
    values: Mapping[str, float]


def _logits(features: Features, prose: Prose) -> tuple[float, dict[str, float]]:
    """The baseline of the prompt's family, and what each feature is worth."""
    weights = load_weights()[features.family]
    logits = weights.credits(features.values)
    if features.family is Family.OPEN:
        for name, logit in prior_logits(features, prose).items():
            logits[name] = logits.get(name, 0.0) + weights.prior * logit
    return weights.baseline, logits


def prior_logits(features: Features, prose: Prose) -> dict[str, float]:
    """What is held of an open prompt before any outcome is seen. Orders are not looked for among options."""
    orders = {} if features.option_count else dict(indicated(find_indicators(prose.words), prose))
    logits = dict(believed(features.values)) | orders
    return logits | dict(plainly_ordered(logits, features.word_count, prose))
