"""Scenario files: which requests go wrong, and how. docs/simulator.md describes them with examples.

    seed: 7
    rules:
      - model: claude-*
        when: {first: 2}
        fault: rate_limited
        retry_after_s: 3

Rules are tried in order, and the first whose fault is due is the one that happens; `slow` only delays, so that a
later rule may happen too. Every rule counts the requests that match its model and wire, whether they fail or not.
"""

from __future__ import annotations

from dataclasses import field
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..config.strict_yaml import Reader, Table, boolean, decimal, integer, list_of, one_of, read, record, text
from ..config.yaml_value import Value
from ..deferred import dataclass


class FaultKind(StrEnum):
    """The kinds of faults."""

    SLOW = "slow"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    OUT_OF_CREDIT = "out_of_credit"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    REDIRECT = "redirect"
    CONNECT_REFUSED = "connect_refused"
    TIMEOUT = "timeout"
    CUT = "cut"
    NO_TERMINAL_MARKER = "no_terminal_marker"
    MALFORMED = "malformed"
    ERROR_IN_STREAM = "error_in_stream"
    ERROR_IN_200 = "error_in_200"
    REFUSED = "refused"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    LONE_SURROGATES = "lone_surrogates"
    CONTROL_CHARACTERS = "control_characters"
    THOUGHTS = "thoughts"
    # Of a batch as a whole; the others happen to single requests of one as well.
    BATCH_SLOW = "batch_slow"
    BATCH_EXPIRED = "batch_expired"
    BATCH_CANCELLED = "batch_cancelled"
    BATCH_FAILED = "batch_failed"
    BATCH_UNANSWERED = "batch_unanswered"
    BATCH_REFUSED = "batch_refused"
    BATCH_DUPLICATES = "batch_duplicates"
    BATCH_BROKEN_LINE = "batch_broken_line"
    BATCH_LOST_LINE = "batch_lost_line"

    @property
    def is_of_batches(self) -> bool:
        """Whether it happens to a batch as a whole."""
        return self.value.startswith("batch_")


class RetryAfterForm(StrEnum):
    """How the advice to wait is written. Google always writes it in the body."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    DATE = "date"


class RefusedAt(StrEnum):
    """What a refusal refuses."""

    PROMPT = "prompt"  # the prompt is refused: no answer at all
    ANSWER = "answer"  # the answer is withheld by a filter


class WireName(StrEnum):
    """The wire formats."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong. Each kind reads only its own parameters (see `_PARAMETERS`); None is the kind's default."""

    kind: FaultKind
    latency_ms: int = 0  # before anything is sent
    per_token_ms: float = 0.0  # for every token generated
    status: int | None = None
    html: bool = False
    retry_after_s: float | None = None
    retry_after_form: RetryAfterForm = RetryAfterForm.SECONDS
    after_tokens: int | None = None  # of output; None is half of the answer
    reason: bool = False  # no_terminal_marker: the terminal reason is sent, only the last marker is not
    billed: bool = True
    at: RefusedAt = RefusedAt.ANSWER
    max_tokens: int = 16
    opened: bool = True  # thoughts: the mark that opens them is in the text too
    location: str = "http://elsewhere.invalid/"
    looks: int = 1  # batch_slow: how often it is still found at work
    share: float = 0.5  # of a batch that was answered before it ended early
    code: str = "token_limit_exceeded"  # batch_failed: why


@dataclass(frozen=True, slots=True)
class When:
    """Which of the requests that a rule matches, counted from 1. Without a condition, all of them."""

    nth: int | None = None
    every: int | None = None
    first: int | None = None
    after: int | None = None
    probability: float | None = None

    def is_due(self, number: int, drawn: float) -> bool:
        """Whether request `number` is meant. `drawn` is the number from 0 up to 1 that was drawn for it."""
        if self.nth is not None:
            return number == self.nth
        if self.every is not None:
            return number % self.every == 0
        if self.first is not None:
            return number <= self.first
        if self.after is not None:
            return number > self.after
        return self.probability is None or drawn < self.probability


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, and the requests that it applies to."""

    fault: Fault
    model: str = "*"
    wire: WireName | None = None
    when: When = field(default_factory=When)

    def matches(self, model: str, wire: str) -> bool:
        """Whether the rule applies to a request."""
        return (self.wire is None or self.wire == wire) and fnmatchcase(model, self.model)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The faults to play."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0


class Schedule:
    """A scenario as it is played: it counts what each rule has seen."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._seen = [0] * len(scenario.rules)

    def next(self, model: str, wire: str, *, batch: bool = False) -> tuple[Fault, ...]:
        """The faults of the next request, or of the next batch: any that slow it down, then at most one of another
        kind."""
        due: list[Fault] = []
        settled = False
        for index, rule in enumerate(self._scenario.rules):
            if rule.fault.kind.is_of_batches is not batch or not rule.matches(model, wire):
                continue
            self._seen[index] += 1
            slows = rule.fault.kind in (FaultKind.SLOW, FaultKind.BATCH_SLOW)
            if (slows or not settled) and rule.when.is_due(self._seen[index], self._drawn(index)):
                due.append(rule.fault)
                settled = settled or not slows
        return tuple(due)

    def _drawn(self, index: int) -> float:
        """A number from 0 up to 1 for the latest request of a rule: the same on every run."""
        place = f"{self._scenario.seed}:{index}:{self._seen[index]}".encode()
        return int.from_bytes(blake2b(place, digest_size=7).digest(), "big") / 2**56


def _status(*allowed: int) -> Reader[int]:
    def reader(value: Value) -> int:
        status = integer()(value)
        if status not in allowed:
            raise value.error(f"{status} is none of {', '.join(map(str, allowed))}")
        return status

    return reader


def _number(value: Value) -> float:
    return float(decimal(minimum=0)(value))


def _share(value: Value) -> float:
    return float(decimal(minimum=0, maximum=1)(value))


_milliseconds = integer(minimum=0)
_after_tokens: dict[str, Reader[Any]] = {"after_tokens": integer(minimum=0)}
_retry_after: dict[str, Reader[Any]] = {
    "retry_after_s": _number,
    "retry_after_form": one_of(RetryAfterForm),
}

# What each kind of fault can be told, beside `latency_ms`, which all of them can.
_PARAMETERS: dict[FaultKind, dict[str, Reader[Any]]] = {
    FaultKind.SLOW: {"per_token_ms": _number},
    FaultKind.RATE_LIMITED: _retry_after,
    FaultKind.OVERLOADED: {"status": _status(503, 529)} | _retry_after,
    FaultKind.SERVER_ERROR: {"status": _status(500, 502, 503, 504), "html": boolean} | _retry_after,
    FaultKind.OUT_OF_CREDIT: {"status": _status(400, 402, 429)},
    FaultKind.AUTH: {"status": _status(401, 403)},
    FaultKind.NOT_FOUND: {},
    FaultKind.REDIRECT: {"location": text},
    FaultKind.CONNECT_REFUSED: {},
    FaultKind.TIMEOUT: {"billed": boolean},
    FaultKind.CUT: {"billed": boolean} | _after_tokens,
    FaultKind.NO_TERMINAL_MARKER: {"reason": boolean} | _after_tokens,
    FaultKind.MALFORMED: _after_tokens,
    FaultKind.ERROR_IN_STREAM: _after_tokens,
    FaultKind.ERROR_IN_200: {},
    FaultKind.REFUSED: {"at": one_of(RefusedAt)},
    FaultKind.EMPTY: {},
    FaultKind.TRUNCATED: {"max_tokens": integer(minimum=1)},
    FaultKind.LONE_SURROGATES: {},
    FaultKind.CONTROL_CHARACTERS: {},
    FaultKind.THOUGHTS: {"opened": boolean},
    FaultKind.BATCH_SLOW: {"looks": integer(minimum=1)},
    FaultKind.BATCH_EXPIRED: {"share": _share},
    FaultKind.BATCH_CANCELLED: {"share": _share},
    FaultKind.BATCH_FAILED: {"code": text},
    FaultKind.BATCH_UNANSWERED: {},
    FaultKind.BATCH_REFUSED: {"status": _status(400, 401, 429, 500)},
    FaultKind.BATCH_DUPLICATES: {},
    FaultKind.BATCH_BROKEN_LINE: {},
    FaultKind.BATCH_LOST_LINE: {},
}


def _rule(table: Table) -> Rule:
    kind = table.required("fault", one_of(FaultKind))
    readers = {"latency_ms": _milliseconds} | _PARAMETERS[kind]
    given = {name: table.optional(name, reader, None) for name, reader in readers.items()}
    return Rule(
        fault=Fault(kind, **{name: value for name, value in given.items() if value is not None}),
        model=table.optional("model", text, "*"),
        wire=table.optional("wire", one_of(WireName), None),
        when=table.optional("when", record(_when), When()),
    )


def _when(table: Table) -> When:
    positive = integer(minimum=1)
    chance = table.optional("probability", decimal(minimum=0, maximum=1), None)
    given: dict[str, int | None] = {
        name: table.optional(name, positive, None) for name in ("nth", "every", "first", "after")
    }
    if sum(value is not None for value in (chance, *given.values())) > 1:
        raise table.value.error("takes one of nth, every, first, after and probability, not several")
    return When(probability=_as_float(chance), **given)


def _as_float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _scenario(table: Table) -> Scenario:
    rules = table.required("rules", list_of(record(_rule)))
    return Scenario(rules, table.optional("seed", integer(minimum=0), 0))


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises ConfigError, naming file, line and key, for anything that it does not know."""
    return read(path, record(_scenario))
