"""What a rented GPU costs a month, by the hours a day that it is on, and what it has to save to pay for itself.

    hours on a day = hours used + starts x (start-up + idle time-out), at most 24

A machine that is started when it is needed is paid while its model loads, and after the last call until it stops
itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from ..deferred import dataclass
from ..money import NANO_PER_DOLLAR

HOURS_OF_A_DAY = 24
# Hours a day that stand for a kind of use.
PATTERNS = (("light", 2), ("medium", 6), ("heavy", 12), ("always on", HOURS_OF_A_DAY))
DAYS = 30


@dataclass(frozen=True, slots=True)
class Terms:
    """What a machine is rented for. `hourly` is dollars an hour; `starts` are a day's, each with `start_up_minutes`
    before the first answer and `idle_minutes` after the last; `days` make a month."""

    hourly: Fraction
    starts: int = 0
    start_up_minutes: Fraction = Fraction(0)
    idle_minutes: Fraction = Fraction(0)
    days: int = DAYS

    def hours_on(self, used: Fraction) -> Fraction:
        """Hours a day that are paid for so many that are used."""
        if used >= HOURS_OF_A_DAY:
            return Fraction(HOURS_OF_A_DAY)
        return min(Fraction(HOURS_OF_A_DAY), used + self.starts * (self.start_up_minutes + self.idle_minutes) / 60)


class Rent(NamedTuple):
    """A kind of use: hours a day that are used and paid, hours a month that are paid, and nano-dollars a month, rounded
    up. `net_nanousd`: what is saved a month less that; `roi`: that as a share of the rent; `buy_months`: after how many
    months the rent comes to the price of a machine. None where nothing was said of it."""

    pattern: str
    used_hours: Fraction
    paid_hours: Fraction
    month_hours: Fraction
    month_nanousd: int
    net_nanousd: int | None
    roi: float | None
    buy_months: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "pattern": self.pattern,
            "hours_a_day": float(self.used_hours),
            "paid_hours_a_day": float(self.paid_hours),
            "hours_a_month": float(self.month_hours),
            "cost_nanousd": self.month_nanousd,
            "cost": self.month_nanousd / NANO_PER_DOLLAR,
            "net_nanousd": self.net_nanousd,
            "roi": self.roi,
            "buy_months": self.buy_months,
        }


def rents(
    terms: Terms, hours: Fraction | None, *, saves_nanousd: int | None = None, buys_nanousd: int | None = None
) -> list[Rent]:
    """The usual kinds of use, and before them the one of `hours` a day, if it is none of these.

    `saves_nanousd`: what calls to a provider would cost a month that the machine makes unnecessary; `buys_nanousd`: the
    price of such a machine.
    """
    uses = [(name, Fraction(usual)) for name, usual in PATTERNS]
    if hours is not None:
        uses = [("yours", hours), *(use for use in uses if use[1] != hours)]
    return [_rent(name, used, terms, saves_nanousd, buys_nanousd) for name, used in uses]


def _rent(name: str, used: Fraction, terms: Terms, saves: int | None, buys: int | None) -> Rent:
    paid = terms.hours_on(used)
    month = paid * terms.days
    cost = math.ceil(terms.hourly * month * NANO_PER_DOLLAR)
    return Rent(
        name,
        used,
        paid,
        month,
        cost,
        None if saves is None else saves - cost,
        None if saves is None or not cost else (saves - cost) / cost,
        None if buys is None or not cost else buys / cost,
    )


def break_even_hours(terms: Terms, saves_nanousd: int) -> Fraction | None:
    """The most hours a day that may be used for a month's rent to be no more than what is saved; None if even one start
    costs more, or if the machine is free."""
    if not terms.hourly:
        return None
    paid = Fraction(saves_nanousd, NANO_PER_DOLLAR) / (terms.hourly * terms.days)
    used = min(Fraction(HOURS_OF_A_DAY), paid) - (terms.hours_on(Fraction(0)) if paid < HOURS_OF_A_DAY else 0)
    return used if used >= 0 else None
