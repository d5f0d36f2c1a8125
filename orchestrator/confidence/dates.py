"""Dates that name their month, in one form whatever the order: 4 July 1776 is July 4, 1776 and 1776-07-04."""

from __future__ import annotations

from ..expressions import expression

_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if month != "september" else "sept?(?:ember)?" for month in _MONTHS)
_WEEKDAY = r"(?:on )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? )?(?:the )?"
_DAY_FIRST = expression(rf"{_WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\.?,? (\d{{4}})")
_MONTH_FIRST = expression(rf"{_WEEKDAY}({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})")
_ISO = expression(r"(\d{4})-(\d{1,2})-(\d{1,2})")


def dated(text: str) -> str | None:
    """A text that is one date, as YYYY-MM-DD; None for any other. Numbers alone (7/4/1776) are of no certain order."""
    lowered = " ".join(text.lower().split())
    if (found := _ISO.fullmatch(lowered)) is not None:
        year, month, day = (int(part) for part in found.groups())
    elif (found := _DAY_FIRST.fullmatch(lowered)) is not None:
        year, month, day = int(found.group(3)), _month(found.group(2)), int(found.group(1))
    elif (found := _MONTH_FIRST.fullmatch(lowered)) is not None:
        year, month, day = int(found.group(3)), _month(found.group(1)), int(found.group(2))
    else:
        return None
    return f"{year:04}-{month:02}-{day:02}"


def _month(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, start=1) if month.startswith(name[:3]))
