"""The routers' rules: records of routing.yaml, and whether a condition holds for a prompt. Pure data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import date

from ..deferred import dataclass
from ..types import Analysis, Level

_MOST_SEARCHED = 4_000  # characters of a prompt: what it asks for stands at its head


@dataclass(frozen=True, slots=True)
class Asked:
    """What a condition is tested against: a prompt's analysis and question, whether it is critical, and the latency
    in seconds that the user accepts."""

    analysis: Analysis
    question: str
    critical: bool = False
    max_latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """The prompts that a rule is for: of one of the tasks, of one of the levels, at least so many tokens long, at
    least so difficult, critical, needed in less than so many seconds, and containing one of the words. Empty fields
    do not count; all others must hold."""

    tasks: frozenset[str] = frozenset()
    levels: frozenset[Level] = frozenset()
    from_tokens: int = 0
    words: tuple[str, ...] = ()
    from_difficulty: float = 0.0
    critical: bool = False
    latency_below: float | None = None

    def holds(self, asked: Asked) -> bool:
        """Whether the condition holds for a prompt."""
        analysis, limit_s = asked.analysis, asked.max_latency_s
        return (
            (not self.tasks or analysis.task in self.tasks)
            and (not self.levels or analysis.level in self.levels)
            and analysis.input_tokens >= self.from_tokens
            and analysis.difficulty >= self.from_difficulty
            and (asked.critical or not self.critical)
            and (self.latency_below is None or (limit_s is not None and limit_s < self.latency_below))
            and (not self.words or self._mentioned(asked.question))
        )

    def _mentioned(self, text: str) -> bool:
        words = (r"\s+".join(re.escape(part) for part in word.split()) for word in self.words)
        return re.search(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", text[:_MOST_SEARCHED], re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of a score: `usual`, or `raised` for the prompts that `when` holds for."""

    usual: float
    raised: float
    when: Condition

    def of(self, asked: Asked) -> float:
        """The weight for a prompt."""
        return self.raised if self.when.holds(asked) else self.usual


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model's fit to a prompt is computed: its weighted scores, minus its price.

    `weights` are by score. The price is that of a million tokens, `output_share` of them output, in dollars; `cost_per`
    dollars count as 1, times `cost_weight`. `scores` replaces some of a model's own.
    """

    weights: Mapping[str, Weight] = field(default_factory=dict)
    cost_weight: float = 0.0
    cost_per: float = 100.0
    output_share: float = 0.25
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """The models for a kind of task. `models` has the primary one first, then its fallbacks.

    `kind` is another name, shared by rows, under which the environment can set a model.
    """

    name: str
    models: tuple[str, ...]
    when: Condition | None = None
    kind: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """A task table: the first row whose condition holds applies; the last row takes everything.

    With `free_first`, models that are free within their daily quota come before paid ones.
    """

    name: str
    rows: tuple[TaskRow, ...]
    free_first: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of answering in an experiment: exactly one of the three names is set.

    `share`, above 0, is its part of the subjects; the shares of all arms sum to 1.
    """

    name: str
    share: float
    model: str | None = None
    chain: str | None = None
    strategy: str | None = None

    @property
    def target(self) -> str:
        """What it answers with, in words."""
        kinds = (("model", self.model), ("chain", self.chain), ("strategy", self.strategy))
        return next((f"{kind} {name}" for kind, name in kinds if name is not None), "what is defined no more")


@dataclass(frozen=True, slots=True)
class Experiment:
    """A comparison of arms; the first is the control. It runs from `start` to `end`, both days included."""

    name: str
    arms: tuple[Arm, ...]
    start: date | None = None
    end: date | None = None
    description: str | None = None

    def runs_on(self, today: date) -> bool:
        """Whether it runs on a day."""
        return (self.start is None or self.start <= today) and (self.end is None or today <= self.end)

    def arm(self, name: str) -> Arm | None:
        """An arm by its name, or None."""
        return next((arm for arm in self.arms if arm.name == name), None)


@dataclass(frozen=True, slots=True)
class Routing:
    """All of routing.yaml. `round_robin` are the models that take turns."""

    round_robin: tuple[str, ...] = ()
    fit: Fit = field(default_factory=Fit)
    tables: Mapping[str, TaskTable] = field(default_factory=dict)
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
