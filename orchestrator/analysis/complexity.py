"""How hard a prompt is: features a person can read, weighed by a fit to recorded outcomes; levels as cuts of the score.

    logit = baseline + prior + fitted weights of the features,   score = 1 / (1 + exp(-logit))

The score is the chance that a strong model's answer to the prompt is better than a weak model's, as far as the words
of the prompt tell. Prompts of each form (`features.Family`) have weights of their own, from `weights.json`; open
prompts start from beliefs set by hand (`prior`). What counted is in `Analysis.features`, in words, and adds up to the
logit. docs/decisions.md has what each part is worth. A `Scorer` of the user's own can take the place of all this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..settings import Settings
from ..types import Analysis, Level
from .answer import answer_form, expected_output_tokens
from .features import Family, Features, read_features
from .fitted import load_weights
from .indicators import find_indicators
from .prior import believed, indicated
from .prose import Prose, read_prose
from .scorer import Scorer, load_scorer, scored
from .tasks import Task, classify
from .tokens import estimate_tokens
from .wording import in_words

CUTS: tuple[float, float, float] = (0.1, 0.143, 0.32)  # basic below the first, expert from the last


def level_of(score: float, cuts: Sequence[float] = CUTS) -> Level:
    """The level that a score from 0 to 1 stands for: how many of the three cuts it has reached."""
    return list(Level)[sum(score >= cut for cut in cuts)]


def analyzer_for(settings: Settings) -> ComplexityAnalyzer:
    """The analyzer that is configured. Raises ConfigError for a scorer that cannot be loaded."""
    configured = settings.complexity
    scorer = None if configured.scorer is None else load_scorer(configured.scorer, settings.config_dir)
    return ComplexityAnalyzer(cuts=configured.cuts or CUTS, scorer=scorer)


class ComplexityAnalyzer:
    """Reads a prompt and says how hard it is, what kind of task, and how many tokens.

    `cuts` are three scores that rise: where intermediate, advanced and expert begin. `scorer` gives the score in place
    of the built-in one; its features, if it gives any, are those of the analysis.
    """

    def __init__(self, *, cuts: Sequence[float] = CUTS, scorer: Scorer | None = None) -> None:
        self._cuts = tuple(cuts)
        self._scorer = scorer

    def analyze(self, prompt: str) -> Analysis:
        """Analyse any string. The cost is bounded: the middle of a very long prompt is not read.

        Raises nothing with the built-in score, and ConfigError for a scorer of the user's own that fails.
        """
        prose = read_prose(prompt, lenient=True)
        task = classify(prose)
        score, features = _score(prompt, prose, task) if self._scorer is None else scored(self._scorer, prompt)
        level = level_of(score, self._cuts)
        input_tokens = estimate_tokens(prompt)
        output_tokens = expected_output_tokens(task, level, input_tokens, prose, answer_form(prose, task))
        return Analysis(score, level, task, features, input_tokens, output_tokens)


def _score(prompt: str, prose: Prose, task: Task) -> tuple[float, dict[str, float]]:
    features = read_features(prompt, prose, task)
    weights = load_weights()[features.family]
    logits = weights.credits(features.values)
    if features.family is Family.OPEN:
        for name, logit in prior_logits(features, prose).items():
            logits[name] = logits.get(name, 0.0) + weights.prior * logit
    rows = {"baseline": weights.baseline} | in_words(logits, features)
    return 1 / (1 + math.exp(-sum(rows.values()))), rows


def prior_logits(features: Features, prose: Prose) -> dict[str, float]:
    """What is held of an open prompt before any outcome is seen. Orders are not looked for among options."""
    orders = {} if features.option_count else dict(indicated(find_indicators(prose.words), prose))
    return dict(believed(features.values)) | orders
