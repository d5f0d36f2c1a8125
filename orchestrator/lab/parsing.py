"""What is written on the command line of a bench: strategies, thresholds and sweeps of them."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from ..errors import UsageError, did_you_mean
from .replay import LABELS, REPLAYABLE

_MOST_STEPS = 1_000


class Wanted(NamedTuple):
    """Strategies to replay, and the other ways to answer, named plans among them: what those ask, no file of answers to
    a prompt can have, so they can only be asked live."""

    strategies: tuple[str, ...]
    plans: tuple[str, ...]


def parse_names(listed: str, option: str) -> tuple[str, ...]:
    """Names separated by commas, each once. Raises UsageError for an empty one."""
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",")))
    if "" in names:
        raise UsageError(f"{option} takes names separated by commas, not {listed[:80]!r}")
    return names


def parse_strategies(listed: str | None, plans: Collection[str]) -> Wanted:
    """Strategies and names of plans, separated by commas; a strategy by its name, or as tables call it.

    Without any, all strategies. Raises UsageError for what is neither.
    """
    if listed is None:
        return Wanted(REPLAYABLE, ())
    called = {label: strategy for strategy, label in LABELS.items()}
    names = [called.get(name, name) for name in parse_names(listed, "--strategy")]
    for name in names:
        if name not in REPLAYABLE and name not in plans:
            known = [*REPLAYABLE, *plans]
            raise UsageError(
                f"no strategy or plan {name[:80]!r}", hint=did_you_mean(name, known) or f"there are: {', '.join(known)}"
            )
    return Wanted(
        tuple(strategy for strategy in REPLAYABLE if strategy in names),
        tuple(dict.fromkeys(name for name in names if name not in REPLAYABLE)),
    )


def parse_thresholds(written: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Thresholds that are named (`0.4` or `0.4,0.5`), and those of a sweep (`0:1:0.05`: from, to, step).

    Raises UsageError for what is not from 0 to 1.
    """
    if written is None:
        return (), ()
    parts = written.split(":")
    if len(parts) == 1:
        return parse_shares(written, "--threshold"), ()
    if len(parts) != 3:
        raise _refused(written)
    first, last, step = (Decimal(str(_share(part, _refused(written)))) for part in parts)
    if not step or last < first or (last - first) / step > _MOST_STEPS:
        raise _refused(written)
    return (), tuple(float(first + number * step) for number in range(int((last - first) / step) + 1))


def parse_shares(written: str, option: str) -> tuple[float, ...]:
    """Numbers from 0 to 1 separated by commas, each once, in rising order. Raises UsageError."""
    refused = (
        _refused(written)
        if option == "--threshold"
        else UsageError(f"{option} takes numbers from 0 to 1, as 0.5 or 0.3,0.5, not {written[:40]!r}")
    )
    return tuple(sorted({_share(part, refused) for part in written.split(",")}))


def _share(part: str, refused: UsageError) -> float:
    try:
        value = Decimal(part.strip())
    except InvalidOperation:
        raise refused from None
    if not value.is_finite() or not 0 <= value <= 1:
        raise refused
    return float(value)


def _refused(written: str) -> UsageError:
    return UsageError(
        f"--threshold takes numbers from 0 to 1, as 0.4 or 0.4,0.5 or 0:1:0.05 (from:to:step), not {written[:40]!r}"
    )
