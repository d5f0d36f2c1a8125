"""What the runs and calls of a report can be grouped by: one table, with what each of them is in SQL.

Days are those that the ledger keeps with each run, in the user's time zone when it was made; weeks, months and years
are made from them, so that days add up to weeks. An hour is that of the local clock within the run's day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from ..errors import UsageError, did_you_mean

NO_KEY, KEY_GAP = "(none)", " / "  # how a group without a key is called, and what stands between keys


class By(StrEnum):
    """What the runs and calls of a report are grouped by."""

    MODEL = "model"
    PROVIDER = "provider"
    STRATEGY = "strategy"
    PLAN = "plan"
    TASK = "task"
    LEVEL = "level"
    CATEGORY = "category"
    TAG = "tag"
    ROLE = "role"
    STEP = "step"
    TIER = "tier"
    EXPERIMENT = "experiment"
    KEY = "key"
    HOST = "host"
    USER = "user"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def dimension(self) -> Dimension:
        """Its row in the table."""
        return DIMENSIONS[self]

    @property
    def is_of_calls(self) -> bool:
        """Whether it differs from call to call, so that one run may count in several groups."""
        return self.dimension.of_calls

    @property
    def is_of_time(self) -> bool:
        """Whether its groups have an order of their own."""
        return self in _OF_TIME


class Dimension(NamedTuple):
    """What a dimension is in SQL, over `runs` and `calls`: an expression, and what is joined to a run, once or more."""

    sql: str
    of_calls: bool = False
    joined: str = ""


DIMENSIONS = {
    By.MODEL: Dimension("calls.model", of_calls=True),
    By.PROVIDER: Dimension("calls.provider", of_calls=True),
    By.STRATEGY: Dimension("runs.strategy"),
    By.PLAN: Dimension("runs.pattern"),
    By.TASK: Dimension("runs.task"),
    By.LEVEL: Dimension("runs.level"),
    By.CATEGORY: Dimension("runs.category"),
    By.TAG: Dimension("tag.value", joined="LEFT JOIN json_each(runs.tags) AS tag"),
    By.ROLE: Dimension("calls.role", of_calls=True),
    By.STEP: Dimension("calls.step", of_calls=True),
    By.TIER: Dimension("runs.tier"),
    By.EXPERIMENT: Dimension("runs.experiment"),
    By.KEY: Dimension("runs.key"),
    By.HOST: Dimension("runs.host"),
    By.USER: Dimension("runs.user"),
    By.HOUR: Dimension("runs.day || strftime(' %H:00', runs.created_at / 1000000, 'unixepoch', 'localtime')"),
    By.DAY: Dimension("runs.day"),
    By.WEEK: Dimension("date(runs.day, 'weekday 0', '-6 days')"),  # its Monday
    By.MONTH: Dimension("substr(runs.day, 1, 7)"),
    By.YEAR: Dimension("substr(runs.day, 1, 4)"),
}
_OF_TIME = frozenset({By.HOUR, By.DAY, By.WEEK, By.MONTH, By.YEAR})


class Grouping(NamedTuple):
    """Several dimensions at once."""

    by: tuple[By, ...]

    @property
    def is_of_calls(self) -> bool:
        """Whether a run may count in several groups because its calls differ."""
        return any(each.is_of_calls for each in self.by)

    @property
    def repeats(self) -> bool:
        """Whether a call may count in several groups."""
        return bool(self.joined)

    @property
    def names(self) -> list[str]:
        """What the dimensions are called."""
        return [each.value for each in self.by]

    @property
    def keys(self) -> tuple[str, ...]:
        """What a group is known by, in SQL."""
        return tuple(each.dimension.sql for each in self.by)

    @property
    def joined(self) -> str:
        """What is joined to `runs` for it."""
        return " ".join(each.dimension.joined for each in self.by if each.dimension.joined)


def grouping(by: By | Sequence[By]) -> Grouping:
    """One dimension or several as a grouping."""
    return Grouping((by,) if isinstance(by, By) else tuple(by))


def in_words(keys: Sequence[str | None]) -> str | None:
    """The keys of a group as one: what it is called where there is room for one name."""
    if len(keys) < 2:
        return next(iter(keys), None)
    return KEY_GAP.join(NO_KEY if key is None else key for key in keys)


def dimensions_from(written: Iterable[str]) -> tuple[By, ...]:
    """The dimensions that were asked for, in their order: each text names one, or several with commas between them.

    Raises UsageError for what is none.
    """
    names = dict.fromkeys(name.strip().lower() for each in written for name in each.split(","))
    known = [by.value for by in By]
    for name in names:
        if name not in known:
            raise UsageError(
                f"a report cannot be grouped by {name[:40]!r}",
                hint=did_you_mean(name, known) or f"--by takes {', '.join(known)}, and several with commas",
            )
    return tuple(By(name) for name in names)
