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
from functools import lru_cache
from typing import NamedTuple

from ..config import Settings
from ..config.tuned import Adjustment, logistic
from ..deferred import replace
from ..errors import UsageError
from ..types import Analysis, Level
from .answer import expected_output_tokens
from .features import Family, Features, feature_names, read_features
from .fitted import load_kinds, load_spreads, load_weights
from .indicators import find_indicators
from .kinds import Form, at_share, form_of, kind_of
from .parsing import ParsedPrompt, parse_prompt
from .prior import ORDERS, believed, indicated, plainly_ordered
from .prose import Prose
from .scorer import Scorer, load_scorer, scored
from .wording import in_words

# Of open prompts: basic below the first, expert from the last. There the orders that name a level begin to count.
CUTS: tuple[float, float, float] = (0.134, 0.18, 0.38)
# Of other forms, and with a `saving` of all: the share of the recorded prompts of the form that is basic, and the
# shares of the rest that are at most intermediate, and at most advanced.
SAVING = 0.5
_UP_TO_INTERMEDIATE, _UP_TO_ADVANCED = 0.4, 0.9

_KEPT, _LONGEST_KEPT = 64, 16_000  # readings, and the characters of a prompt: 10 MB at the most

UNFAMILIAR = "unfamiliar: hardly any prompt of this kind was recorded, so its score may be no better than a coin flip"


def level_of(score: float, cuts: Sequence[float] = CUTS) -> Level:
    """The level that a score from 0 to 1 stands for: how many of the three cuts it has reached."""
    return _LEVELS[sum([score >= cut for cut in cuts])]


def difficulty_of(score: float, cuts: Sequence[float] = CUTS) -> float:
    """Where a score stands on the scale of the levels, 0 to 1: a quarter for each, and even within it."""
    bounds = (0.0, *cuts, 1.0)
    level = level_of(score, cuts).rank
    low, high = bounds[level], bounds[level + 1]
    return (level + (score - low) / ((high - low) or 1.0)) / len(_LEVELS)


_LEVELS = tuple(Level)


def analyzer_for(settings: Settings) -> ComplexityAnalyzer:
    """The analyzer that is configured. Raises ConfigError for a scorer that cannot be loaded."""
    configured = settings.complexity
    scorer = None if configured.scorer is None else load_scorer(configured.scorer, settings.config_dir)
    return ComplexityAnalyzer(cuts=configured.cuts, scorer=scorer, adjustment=configured.adjustment)


def cuts_for(form: Form, saving: float | None = None) -> tuple[float, float, float]:
    """The cuts of the score for prompts of a form. With a `saving`, 0 to 1, that share of the recorded prompts of the
    form is basic."""
    if saving is None and form in (Form.OPEN, Form.CODE):
        return CUTS
    easy = SAVING if saving is None else saving
    spread = load_spreads()[form]
    shares = (easy, easy + (1 - easy) * _UP_TO_INTERMEDIATE, easy + (1 - easy) * _UP_TO_ADVANCED)
    low, middle, high = (at_share(spread, share) for share in shares)
    return low, middle, high


class ComplexityAnalyzer:
    """Reads a prompt and says how hard it is, what kind of task, and how many tokens.

    `cuts` are three scores that rise: where intermediate, advanced and expert begin; without them it depends on the
    form of the prompt (`cuts_for`). `scorer` gives the score in place of the built-in one; its features, if it gives
    any, are those of the analysis. `adjustment` is what a user's own outcomes say of the built-in score. With any of
    the three no prompt is said to be unfamiliar: what the user knows of such prompts is in them.
    """

    def __init__(
        self, *, cuts: Sequence[float] | None = None, scorer: Scorer | None = None, adjustment: Adjustment | None = None
    ) -> None:
        self._cuts = None if cuts is None else tuple(cuts)
        self._scorer = scorer
        self._adjusted = adjustment is not None
        known = () if adjustment is None else feature_names()
        adjustment = adjustment or Adjustment()
        # Another version of orch may have had other features.
        weights = tuple(weight for weight in adjustment.weights if weight.feature in known)
        self._adjustment = replace(adjustment, weights=weights)
        self._read_lately = lru_cache(_KEPT)(self._read)

    def read(self, prompt: str, *, saving: float | None = None) -> tuple[ParsedPrompt, Analysis]:
        """A prompt parsed, and analysed as by `analyze`. What was read last is kept: a loop of tools, and a program
        that asks several models, come again with the same words. A scorer of the user's own is asked each time."""
        kept = self._scorer is None and len(prompt) <= _LONGEST_KEPT
        return self._read_lately(prompt, saving) if kept else self._read(prompt, saving)

    def _read(self, prompt: str, saving: float | None) -> tuple[ParsedPrompt, Analysis]:
        parsed = parse_prompt(prompt)
        return parsed, self.analyze(parsed, saving=saving)

    def analyze(self, prompt: str | ParsedPrompt, *, saving: float | None = None) -> Analysis:
        """Analyse any string, or one that is parsed. The cost is bounded: the middle of a very long one is not read.

        `saving`, 0 to 1, is the share of prompts that are to count as basic. Raises nothing with the built-in score and
        no saving; ConfigError for a scorer of the user's own that fails; UsageError for a saving with such a scorer or
        with weights of the user's own, since how their scores are spread is not known.
        """
        parsed = ParsedPrompt.of(prompt)
        if saving is not None and (self._scorer is not None or self._adjusted):
            hint = "set complexity.cuts instead; orch tune fits them"
            raise UsageError("a saving goes by the shipped complexity score, and yours is in force", hint=hint)
        unfamiliar = ordered = False
        if self._scorer is None:
            read = read_features(parsed.text, parsed.prose, parsed.task)
            score, features, ordered = self._score(parsed, read)
            cuts = self._cuts if self._cuts is not None and saving is None else cuts_for(form_of(read), saving)
            unfamiliar = self._cuts is None and not self._adjusted and kind_of(read, parsed.task) not in load_kinds()
        else:
            score, features = scored(self._scorer, parsed.text)
            cuts = self._cuts or CUTS
        level = level_of(score, cuts)
        input_tokens = parsed.tokens.expected
        output_tokens = expected_output_tokens(parsed.task, level, input_tokens, parsed.prose, parsed.form)
        difficulty = difficulty_of(score, cuts)
        return Analysis(
            score, level, parsed.task, features, input_tokens, output_tokens, difficulty, unfamiliar, ordered
        )

    def evidence(self, prompt: str | ParsedPrompt) -> Evidence | None:
        """What the built-in score is made of before any adjustment; None with a scorer of the user's own."""
        if self._scorer is not None:
            return None
        parsed = ParsedPrompt.of(prompt)
        features = read_features(parsed.text, parsed.prose, parsed.task)
        baseline, logits = _logits(features, parsed.prose)
        return Evidence(baseline + math.fsum(logits.values()), features.values)

    def _score(self, parsed: ParsedPrompt, features: Features) -> tuple[float, dict[str, float], bool]:
        """The score, what counted, and whether an order names the level."""
        baseline, logits = _logits(features, parsed.prose)
        ordered = not ORDERS.keys().isdisjoint(logits)
        adjusted, scale = self._adjustment, self._adjustment.scale
        if scale != 1.0:
            logits = {name: scale * logit for name, logit in logits.items()}
        for weight in adjusted.weights:
            own = weight.logit(features.values.get(weight.feature, 0.0))
            logits[weight.feature] = logits.get(weight.feature, 0.0) + own
        rows = {"baseline": scale * baseline + adjusted.intercept} | in_words(logits, features)
        return logistic(sum(rows.values())), rows, ordered


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
    logits.update(plainly_ordered(logits, orders, features.word_count, prose))
    return logits
