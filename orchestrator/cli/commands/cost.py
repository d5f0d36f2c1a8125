"""`orch cost gpu`: what a rented GPU costs a month, and when it pays for itself."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated

import typer

from ...deferred import dataclass
from ...errors import UsageError
from ...money import NANO_PER_DOLLAR, format_short
from ...report.gpu import DAYS, HOURS_OF_A_DAY, Rent, Terms, break_even_hours, rents
from .. import render
from ..options import OutputFlags, command
from ..output import Output
from ..setup import dollars_from
from ..tables import print_table


@dataclass(frozen=True, kw_only=True)
class _CostFlags(OutputFlags):
    what: Annotated[str, typer.Option(help="gpu.")] = "gpu"
    hourly: Annotated[str | None, typer.Option(metavar="DOLLARS", help="Price of an hour of the machine.")] = None
    hours: Annotated[
        str | None, typer.Option(metavar="HOURS", help="Hours a day that it answers.", show_default="2, 6, 12 and 24")
    ] = None
    starts: Annotated[int, typer.Option(help="Times a day that it is started.")] = 0
    start_up: Annotated[
        str | None, typer.Option(metavar="MINUTES", help="Minutes of a start until it answers, which are paid.")
    ] = None
    idle_timeout: Annotated[
        str | None, typer.Option(metavar="MINUTES", help="Minutes after the last call until it stops itself.")
    ] = None
    saves: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="What it saves a month on calls to providers.")
    ] = None
    buy: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="Price of such a machine, to compare with renting it.")
    ] = None
    days: Annotated[int, typer.Option(help="Days a month.")] = DAYS


@command(_CostFlags, argument="what")
def cost(flags: _CostFlags) -> int:
    """orch cost gpu --hourly 0.25 --hours 6; with --saves 45 what is left of the savings, and the break-even.

    What a model of your own did cost, and save, is in orch report --baseline.
    """
    output = Output.parse(flags.output)
    if flags.what != "gpu":
        raise UsageError(f"orch cost takes gpu, not {flags.what!r}")
    if flags.hourly is None:
        raise UsageError("what does an hour of it cost? for example: orch cost gpu --hourly 0.25 --hours 6")
    terms = _terms(flags, flags.hourly)
    hours = None if flags.hours is None else _number("--hours", flags.hours, HOURS_OF_A_DAY)
    saves, buys = _dollars("--saves", flags.saves), _dollars("--buy", flags.buy)
    found = rents(terms, hours, saves_nanousd=saves, buys_nanousd=buys)
    even = None if saves is None else break_even_hours(terms, saves)
    output.emit(
        {
            "schema_version": 1,
            "kind": "cost_gpu",
            "hourly": float(terms.hourly),
            "days": terms.days,
            "starts": terms.starts,
            "start_up_minutes": float(terms.start_up_minutes),
            "idle_minutes": float(terms.idle_minutes),
            "saves_nanousd": saves,
            "break_even_hours": None if even is None else float(even),
            "rents": [rent.to_dict() for rent in found],
        }
    )
    if not output.json:
        _print(found, terms, saves, even)
    return 0


commands = {"cost": cost}


def _terms(flags: _CostFlags, hourly: str) -> Terms:
    if flags.starts < 0 or flags.days < 1:
        raise UsageError("--starts takes a number from 0, --days one from 1")
    minutes = {"--start-up": flags.start_up, "--idle-timeout": flags.idle_timeout}
    start_up, idle = (_number(flag, written or "0", 24 * 60) for flag, written in minutes.items())
    # Who says how long a start takes means that there is one.
    starts = flags.starts or (1 if start_up or idle else 0)
    price = Fraction(_dollars("--hourly", hourly) or 0, NANO_PER_DOLLAR)
    return Terms(price, starts, start_up, idle, flags.days)


def _print(found: list[Rent], terms: Terms, saves: int | None, even: Fraction | None) -> None:
    headings = ["Use", "Hours a day", "Paid hours a day", "Hours a month", "A month"]
    headings += ["Net", "ROI"] if saves is not None else []
    headings += ["Months to buy"] if found[0].buy_months is not None else []
    print_table(headings, [_row(rent) for rent in found], right=headings[1:])
    if saves is not None:
        saved = format_short(saves)
        if even is None:
            render.line(f"it does not pay for itself with {saved} a month, however little it is used")
        elif even >= HOURS_OF_A_DAY:
            render.line(f"with {saved} a month it pays for itself even if it is always on")
        else:
            render.line(f"with {saved} a month it pays for itself up to {float(even):.1f} hours a day (break-even)")


def _row(rent: Rent) -> list[str]:
    cells = [rent.pattern, *(f"{float(hours):,.4g}" for hours in rent[1:4]), format_short(rent.month_nanousd)]
    if rent.net_nanousd is not None:
        cells += [format_short(rent.net_nanousd), "-" if rent.roi is None else f"{rent.roi:+.0%}"]
    return cells + ([f"{rent.buy_months:.1f}"] if rent.buy_months is not None else [])


def _number(flag: str, written: str, most: int) -> Fraction:
    try:
        number = Fraction(Decimal(written))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise UsageError(f"{flag} takes a number, not {written[:40]!r}") from error
    if not 0 <= number <= most:
        raise UsageError(f"{flag} takes a number from 0 to {most}, not {written[:40]}")
    return number


def _dollars(flag: str, written: str | None) -> int | None:
    return None if written is None else dollars_from(written, flag, "0.25")
