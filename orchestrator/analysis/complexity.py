"""How hard a prompt is: evidence in logits, one logistic score, levels as cuts of the score.

    logit = baseline + strongest indicator + further indicators + length + parts - modifiers
    score = 1 / (1 + exp(-logit)),  level = how many of the cuts 0.25, 0.5, 0.75 the score has reached

The strongest indicator sets the level; everything else moves the score inside it or, together, by one level at most.
Every contribution is listed in `Analysis.features`, and they add up to the logit. The weights are set by hand, so that
an indicator of a level lands in the middle of that level; whoever fits them to outcomes changes the constants here
and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from ..settings import COMPLEXITY_CUTS
from ..types import Analysis, Level
from .answer import answer_form, expected_output_tokens
from .indicators import Indicator, find_indicators
from .phrases import Match
from .prose import Prose, read_prose
from .tasks import classify
from .tokens import estimate_tokens

BASELINE = -1.9  # a prompt without any evidence scores 0.13
CUTS = COMPLEXITY_CUTS
LEVEL_WEIGHTS: dict[Level, float] = {Level.INTERMEDIATE: 1.35, Level.ADVANCED: 2.45, Level.EXPERT: 3.9}
_FURTHER_WEIGHT, _FURTHER_CAP = 0.15, 0.45  # each indicator besides the strongest, and all of them
_MODIFIER_WEIGHT, _MODIFIER_CAP = 0.2, 0.4  # "what is", "simple", "quick": each, and all of them
_LENGTH_WEIGHT, _LENGTH_CAP, _LENGTH_FROM = 0.12, 0.5, 64  # each doubling of the tokens beyond _LENGTH_FROM
_PART_WEIGHT, _PART_CAP = 0.1, 0.4  # each numbered step or question after the first

_STEP = r"(?m)^ ?(?:[0-9]{1,2}[.)]|\([0-9a-z]\)|step [0-9]{1,2}\b) "
_QUESTION = r"？|\?(?=\s|$)"


def level_of(score: float, cuts: tuple[float, ...] = CUTS) -> Level:
    """The level that a score from 0 to 1 stands for."""
    return list(Level)[sum(score >= cut for cut in cuts)]


class ComplexityAnalyzer:
    """Reads a prompt and says how hard it is, what kind of task, and how many tokens. Pure, and without state."""

    def __init__(self, *, cuts: tuple[float, ...] = CUTS) -> None:
        self._cuts = cuts

    def analyze(self, prompt: str) -> Analysis:
        """Analyse any string; nothing is raised. The cost is bounded: the middle of a very long prompt is not read."""
        prose = read_prose(prompt, lenient=True)
        input_tokens = estimate_tokens(prompt)
        features = _features(prose, input_tokens)
        score = 1 / (1 + math.exp(-sum(features.values())))
        level = level_of(score, self._cuts)
        task = classify(prose)
        output_tokens = expected_output_tokens(task, level, input_tokens, prose, answer_form(prose, task))
        return Analysis(score, level, task, features, input_tokens, output_tokens)


def _features(prose: Prose, input_tokens: int) -> dict[str, float]:
    features = {"baseline": BASELINE} | _indicator_features(prose, find_indicators(prose.words))
    if input_tokens > _LENGTH_FROM:
        features["length"] = min(_LENGTH_CAP, _LENGTH_WEIGHT * math.log2(input_tokens / _LENGTH_FROM))
    steps = len(re.findall(_STEP, prose.words))
    parts = max(steps, len(re.findall(_QUESTION, prose.words)))
    if parts > 1:
        features[f"parts: {parts}"] = min(_PART_CAP, _PART_WEIGHT * (parts - 1))
    return features


def _indicator_features(prose: Prose, matches: Iterable[Match[Indicator]]) -> dict[str, float]:
    """The strongest indicator in full, and a little, bounded, for each other one. Code counts as an indicator."""
    found = {f"{match.row.level}: {match.row.name}": match.row.level for match in matches}
    if prose.code or prose.logs:
        found[f"{Level.INTERMEDIATE}: {'code' if prose.code else 'log'}"] = Level.INTERMEDIATE
    raising = sorted((name for name in found if found[name] in LEVEL_WEIGHTS), key=lambda name: -found[name].rank)
    lowering = [name for name in found if found[name] not in LEVEL_WEIGHTS]
    features = {name: LEVEL_WEIGHTS[found[name]] for name in raising[:1]}
    features |= _capped(raising[1:], _FURTHER_WEIGHT, _FURTHER_CAP)
    return features | {name: -weight for name, weight in _capped(lowering, _MODIFIER_WEIGHT, _MODIFIER_CAP).items()}


def _capped(names: list[str], weight: float, cap: float) -> dict[str, float]:
    """The same weight for each name; none once the sum has reached the cap."""
    return dict.fromkeys(names[: round(cap / weight)], weight)
