"""`orch rate`, and `orch run --rate-last`: what the user thought of an answer."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from ...clock import local_now, rfc3339
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError
from ...ledger.queries import LAST
from ...ledger.ratings import BAD, GOOD, MOST_NOTE_CHARS, Rating, check_can_be_rated
from ...ledger.ratings import rate as rate_run
from ...ledger.ratings import unrate as unrate_run
from .. import render
from ..options import ConfigFlags, LedgerFlags, OutputFlags, command
from ..output import Output
from ..setup import settings_from
from .ledgers import check_there, find_recorded, open_ledger

_WORDS = {"good": GOOD, "bad": BAD}
_NONE = "none"
_EXAMPLE = f"for example: orch rate {LAST} good"


@dataclass(frozen=True, kw_only=True)
class _RateFlags(OutputFlags, LedgerFlags, ConfigFlags):
    run: Annotated[str | None, typer.Option(help="The run: its id, the start of its id, or last.")] = None
    rating: Annotated[str | None, typer.Option(help="good, bad, a number from 0 to 1, or none to remove a rating.")] = (
        None
    )
    rate_last: Annotated[
        str | None,
        typer.Option("--rate-last", "--last", metavar="RATING", help="Rate the latest run; instead of RUN RATING."),
    ] = None
    note: Annotated[str | None, typer.Option(help="Note to store with the rating.")] = None


@dataclass(frozen=True, slots=True)
class Rated:
    """What became of a run's rating; None is no rating."""

    run_id: str
    rating: Rating | None
    before: Rating | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        previous = None if self.before is None else self.before.rating
        return {"schema_version": 1, "run_id": self.run_id} | rating_document(self.rating) | {"previous": previous}

    def __str__(self) -> str:
        before = "" if self.before is None else f" (was {rating_words(self.before)})"
        if self.rating is None:
            return f"run {self.run_id}: {'rating taken back' if before else 'had no rating'}{before}"
        return f"run {self.run_id}: {rating_words(self.rating)}{before}"


@command(_RateFlags, argument=("run", "rating"))
def rate(flags: _RateFlags) -> int:
    """orch rate last good; orch rate 01K5 0.7 --note "too long"; orch rate --rate-last bad; orch rate last none.

    good is 1, bad is 0. A new rating replaces the old one. orch tune and orch models --by-task learn from ratings.
    To rate the last answer while asking the next prompt: orch run --rate-last bad -p "..."
    """
    output, settings = Output.parse(flags.output), settings_from(flags)
    wanted, rating = _wanted(flags)
    rated = rate_one(settings, wanted, rating, note=flags.note)
    output.emit(rated.to_dict())
    if not output.json:
        render.line(str(rated))
    return 0


commands = {"rate": rate}


def rate_one(settings: Settings, wanted: str, rating: str, *, note: str | None = None) -> Rated:
    """Rate a run, named as `find_run` takes it. Raises UsageError and LedgerError."""
    value = parse_rating(rating)
    if note is not None and (value is None or len(note) > MOST_NOTE_CHARS):
        raise UsageError(
            "a note goes with a rating" if value is None else f"a note has at most {MOST_NOTE_CHARS:,} characters"
        )
    check_there(settings)
    with open_ledger(settings.ledger) as ledger:
        recorded = find_recorded(ledger, settings, wanted)
        run_id = recorded.run.run_id
        if value is None:
            return Rated(run_id, None, unrate_run(ledger, run_id))
        check_can_be_rated(recorded)
        new = Rating(value, local_now(), note)
        return Rated(run_id, new, rate_run(ledger, run_id, new))


def parse_rating(written: str) -> float | None:
    """`good`, `bad` or a number from 0 to 1; None for `none`. Raises UsageError."""
    word = written.strip().lower()
    if word == _NONE:
        return None
    if word in _WORDS:
        return _WORDS[word]
    with suppress(InvalidOperation):
        number = Decimal(word)
        if number.is_finite() and BAD <= number <= GOOD:
            return float(number)
    raise UsageError(
        f"a rating is good, bad, a number from 0 to 1, or none, not {written[:40]!r}",
        hint=_EXAMPLE,
    )


def rating_words(rating: Rating) -> str:
    """A rating for people: good, bad, or the number."""
    named = {value: f"{word} ({value:g})" for word, value in _WORDS.items()}
    return named.get(rating.rating, f"{rating.rating:g}")


def rating_document(rating: Rating | None) -> dict[str, Any]:
    """A rating as JSON; every key is null for none."""
    if rating is None:
        return {"rating": None, "rated_at": None, "rating_note": None}
    return {"rating": rating.rating, "rated_at": rfc3339(rating.rated_at), "rating_note": rating.note}


def _wanted(flags: _RateFlags) -> tuple[str, str]:
    match flags.run, flags.rating, flags.rate_last:
        case str(run), str(rating), None:
            return run, rating
        case None, None, str(rating):
            return LAST, rating
        case str(run), None, None:
            raise UsageError(f"{run!r} alone is not a run and a rating", hint=_EXAMPLE)
        case None, None, None:
            raise UsageError("rate which run?", hint=_EXAMPLE)
        case _:
            raise UsageError("--rate-last names the run and the rating: it goes without RUN and RATING")
