"""What a check is, what it is given, and what it reports."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Findings:
    """`figures` are words and numbers for one line; each of `problems` is a broken promise."""

    figures: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def figure(self, text: str) -> None:
        self.figures.append(text)

    def expect(self, holds: bool, problem: str) -> None:
        """Note a problem unless the promise holds."""
        if not holds:
            self.problems.append(problem)

    def expect_none(self, found: Iterable[object], problem: str) -> None:
        """Note a problem that lists what was found, unless nothing was."""
        listed = [str(item) for item in found]
        if listed:
            more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
            self.problems.append(f"{problem}: {'; '.join(listed[:3])}{more}")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a check is done: `count` of what it counts, by so many processes at the same time."""

    count: int
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a check: a folder of its own, its size, and its source of randomness.

    `patience` is how many times the usual limit anything may take: more than 1 where the machine does other work.
    """

    folder: Path
    size: Size
    rng: random.Random
    patience: int = 1


@dataclass(frozen=True, slots=True)
class Check:
    """`counts` says what the size's count is of, `promise` what is checked, both in words."""

    name: str
    promise: str
    counts: str
    small: Size
    full: Size
    run: Callable[[Trial], Findings]
