"""One call that another tool made, as its log tells of it."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum

from ..deferred import dataclass
from ..types import Usage


class Source(StrEnum):
    """Whose logs or exports there are readers for."""

    CLAUDE_CODE = "claude-code"
    CODEX = "codex"
    GEMINI_CLI = "gemini-cli"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"

    @property
    def provider(self) -> str:
        """The provider that a model of its is called at, where the registry does not know the model."""
        return {"claude-code": "anthropic", "codex": "openai", "gemini-cli": "google"}.get(self.value, self.value)

    @property
    def is_export(self) -> bool:
        """Whether it is a provider's own count, in which the calls of this program are too."""
        return self in (Source.OPENAI, Source.ANTHROPIC)


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """`key` is unique within a source, and the same each time the log is read. `at` is aware. `stated_nanousd` is what
    the log says that it cost; None leaves the cost to the registry's prices. `project` is the name of the folder that
    the tool worked in. `usage` is None where nothing is said of tokens. `day`: the calendar day, where a record stands
    for all of one."""

    key: str
    at: datetime
    model: str
    usage: Usage | None
    session: str | None = None
    project: str | None = None
    stated_nanousd: int | None = None
    day: str | None = None


@dataclass(slots=True)
class Told:
    """What is told of a reading afterwards: `files` read; `broken` lines or files that could not be read as they
    should, with where the `first` of them is; and the files that could not be opened."""

    files: int = 0
    broken: int = 0
    first: str | None = None
    unread: list[str] = field(default_factory=list)

    def of_broken(self, where: str) -> None:
        """Count a line that cannot be read."""
        self.broken += 1
        self.first = self.first or where
