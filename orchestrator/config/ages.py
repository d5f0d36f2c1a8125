"""Ages as users write them: `90s`, `15m`, `1h`, `7d`, `2w`, or a number of seconds."""

from __future__ import annotations

import math
from typing import Any

from ..expressions import expression

USUAL_S = 86_400.0  # what `--cache` alone means
_MOST_S = 10 * 366 * 86_400.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGE = expression(r"([0-9]+(?:\.[0-9]+)?)([smhdw]?)")
OFF = "off"


def is_age(written: str) -> bool:
    """Whether a word is an age, or `off`."""
    return written == OFF or _AGE.fullmatch(written) is not None


def in_words(seconds: float) -> str:
    """An age for people: `90 s`, `15 min`, `1.5 h`, `7 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or seconds == length:
            return f"{round(seconds / length, 1):g} {unit}"
    return f"{seconds:.3g} s"


def age_s(given: Any) -> float:
    """The seconds of an age: a text, a number of seconds, or yes or no; no, and `off`, are 0. Raises ValueError, which
    says what is expected."""
    if isinstance(given, bool):
        return USUAL_S if given else 0.0
    if isinstance(given, str):
        written = given.strip().lower()
        if written in (OFF, "false", "no"):
            return 0.0
        if written in ("on", "true", "yes"):
            return USUAL_S
        found = _AGE.fullmatch(written)
        seconds = math.nan if found is None else float(found[1]) * _UNITS[found[2]]
    else:
        seconds = float(given) if isinstance(given, int | float) else math.nan
    if not 0 <= seconds <= _MOST_S:
        raise ValueError(f"expected an age of at most ten years, such as 90s, 1h or 7d, not {str(given)[:40]!r}")
    return seconds
