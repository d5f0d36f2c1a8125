"""What a prompt asks for beyond its level: design, care, implementation, or routine. It is what tiers are chosen by.

    requires_design           an order to design from intermediate on, an architecture or a roadmap from advanced on, a
                              migration, and whatever looks expert
    is_critical               what must not go wrong: security, outages, loss of data, law, health; or it says so itself
    requires_implementation   mending what is broken from intermediate on, and whatever looks advanced
    is_routine                none of these, of a task that is done by rote, at most intermediate

Words inside code, logs and quotations do not count. The tables are data: phrases as in `phrases`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import NamedTuple

from ..deferred import dataclass
from ..types import Analysis, Level, Task
from .parsing import ParsedPrompt
from .phrases import PhraseTable
from .vocabulary import DESIGN, order


class Need(StrEnum):
    """What a prompt may ask for, by the name that flags and reasons use."""

    DESIGN = "design"
    CRITICAL = "critical"
    IMPLEMENTATION = "implementation"
    ROUTINE = "routine"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a prompt asks for. `reasons` says in words why, in the order of the fields."""

    requires_design: bool = False
    is_critical: bool = False
    requires_implementation: bool = False
    is_routine: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[Need, ...]:
        """Those that it asks for."""
        flags = (self.requires_design, self.is_critical, self.requires_implementation, self.is_routine)
        return tuple(need for need, asked in zip(Need, flags, strict=True) if asked)


class _Evidence(NamedTuple):
    """A phrase that says something of a need, from a level of prompt on."""

    need: Need
    least: Level
    pattern: str


_EVIDENCE: tuple[_Evidence, ...] = (
    _Evidence(
        Need.CRITICAL,
        Level.BASIC,  # it says so itself
        r"(?:mission|business|safety|life)[ -]critical|critically important|this is (?:very |really )?critical"
        r"|(?:must|cannot|can't|may) not (?:fail|go wrong)|no room for (?:error|mistakes?)|high[ -]stakes",
    ),
    _Evidence(
        Need.CRITICAL,
        Level.INTERMEDIATE,
        r"security (?:architectures?|audits?|reviews?|incidents?|models?|holes?|flaws?|breach(?:es)?|polic(?:y|ies))"
        r"|vulnerabilit(?:y|ies)|threat model(?:s|ling|ing)?|penetration tests?|zero[ -]days?"
        r"|production (?:outages?|incidents?|databases?|systems?|is down)|outages?|incident response"
        r"|data (?:loss|breach(?:es)?|corruption)|disaster recovery|irreversible|cannot be undone"
        r"|gdpr|hipaa|pci[ -]dss|regulatory (?:compliance|requirements?)|legal (?:liability|advice|risks?)"
        r"|medical (?:advice|diagnos[ie]s|devices?|emergency)|overdos(?:e|es|ing)",
    ),
    _Evidence(Need.DESIGN, Level.INTERMEDIATE, order("design")),
    _Evidence(
        Need.DESIGN,
        Level.ADVANCED,
        rf"{DESIGN}|re-?architect(?:ing)?|architectures?|(?:major|large|complete) (?:refactor(?:ing|s)?|rewrites?)"
        r"|migrations?|roadmaps?|system designs?",
    ),
    _Evidence(Need.DESIGN, Level.BASIC, r"migrat(?:e|ing)(?=[^.?!\n]{1,80}? (?:to|into|onto)\b)"),
    _Evidence(Need.IMPLEMENTATION, Level.INTERMEDIATE, r"implement(?:ing)?|fix(?:ing)?|code review|port(?:ing)?"),
)
_TABLE = PhraseTable(_EVIDENCE)

# Done by rote. What weighs and judges is not, whatever its level, nor what could not be told.
ROUTINE_TASKS = frozenset(
    {
        Task.CODE,
        Task.DEBUGGING,
        Task.EXPLANATION,
        Task.EXTRACTION,
        Task.CLASSIFICATION,
        Task.QUESTION,
        Task.SUMMARY,
        Task.TRANSLATION,
        Task.WRITING,
    }
)
_PROGRAMMING = (Task.CODE, Task.DEBUGGING)


def needs_of(prompt: str | ParsedPrompt, analysis: Analysis) -> Needs:
    """What a prompt asks for, by its own words, and by the task and level that the analysis found. Pure."""
    reasons_of: dict[Need, str] = {}
    for match in _TABLE.find(ParsedPrompt.of(prompt).prose.words):
        if match.row.need is Need.IMPLEMENTATION and analysis.task not in _PROGRAMMING:
            continue
        if analysis.level.rank >= match.row.least.rank:
            reasons_of.setdefault(match.row.need, f"'{match.text}'")
    for need, reason in _by_level(analysis):
        reasons_of.setdefault(need, reason)
    if not reasons_of and analysis.task in ROUTINE_TASKS and analysis.level.rank <= Level.INTERMEDIATE.rank:
        reasons_of[Need.ROUTINE] = f"{analysis.level} {analysis.task}"
    return _needs(reasons_of, tuple(f"{_SAID[need]}: {reasons_of[need]}" for need in Need if need in reasons_of))


def told(wanted: Collection[Need]) -> Needs:
    """What the user says that a prompt asks for. It stands in the place of what the prompt looks like."""
    return _needs(wanted, tuple(f"{_SAID[need]}: the user says so" for need in Need if need in wanted))


def _by_level(analysis: Analysis) -> Iterator[tuple[Need, str]]:
    if analysis.level is Level.EXPERT:
        yield Need.DESIGN, "it looks expert"
    least = Level.INTERMEDIATE if analysis.task is Task.DEBUGGING else Level.ADVANCED
    if analysis.level.rank >= least.rank:
        yield Need.IMPLEMENTATION, f"{analysis.level} {analysis.task}"


def _needs(needs: Collection[Need], reasons: tuple[str, ...]) -> Needs:
    return Needs(
        requires_design=Need.DESIGN in needs,
        is_critical=Need.CRITICAL in needs,
        requires_implementation=Need.IMPLEMENTATION in needs,
        is_routine=Need.ROUTINE in needs,
        reasons=reasons,
    )


_SAID = {
    Need.DESIGN: "it requires design",
    Need.CRITICAL: "it is critical",
    Need.IMPLEMENTATION: "it requires implementation",
    Need.ROUTINE: "it is routine",
}
