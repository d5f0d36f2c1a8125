"""One row of a usage export, as a line in our own terms. How the formats differ is in `usage_exports`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..deferred import dataclass, replace
from ..errors import UsageError
from ..expressions import expression

_MAX_EXPONENT, _MIN_EXPONENT = 30, -60  # beyond these it is no amount, and its exact value would fill the memory
# Numbers as people and spreadsheets write them: groups of three digits apart, and decimals after a comma or a point.
_NUMBER = expression(r"[+-]?(?P<number>[\d.,' \u00a0\u202f\u2019]*\d[.,]?)(?:[eE][+-]?\d+)?")
_ONE_GROUP = expression(r"[1-9]\d{0,2}[.,]\d{3}")
_WITH_POINT, _WITH_COMMA = (
    expression(
        rf"(?P<sign>[+-]?)(?=[{mark}]?\d)(?P<whole>\d{{1,3}}(?:[{groups}' \u00a0\u202f\u2019]\d{{3}})+|\d*)"
        rf"(?:[{mark}](?P<decimals>\d*))?(?P<exponent>[eE][+-]?\d{{1,9}})?"
    )
    for mark, groups in ((".", ","), (",", "."))
)
_NO_MODEL = "(no model)"

# Google: `Generate content cached input token count gemini 2.5 flash short input text`; of Vertex AI also
# `Gemini 2.5 Pro Thinking Text Output - Predictions`, where the amount is not in tokens.
_SKU_MODEL = expression(r"\bgemini[ _-]+\d[\w.]*(?:[ _-]+[\w.]+)*", re.IGNORECASE)
_SKU_COUNT = expression(r"\b(cached )?(input|output) token count\b", re.IGNORECASE)
_SKU_DETAIL = frozenset(
    {
        *("text", "image", "audio", "video", "input", "output", "short", "long", "batch", "flex", "priority", "live"),
        *("thinking", "non", "cached", "caching", "global", "ga", "predictions", "tuning", "tuned", "storage"),
        *("tokens", "token", "count", "for", "on", "off", "offpeak", "hours", "grounding"),
    }
)
# OpenAI: `gpt-5.4-mini-2026-03-17, cached input`, `priority | gpt-5.6-sol, output, long context`.
_LINE_ITEM = expression(r"(?:[\w ]+\| *)?(?P<model>[\w.:/-]+)(?: +\w+)*,.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What a provider counted on a UTC day for one model, by its own name for it; None is what it does not say.

    Tokens as in `types.Usage`. `cost` is in dollars, exact. A line in which everything is None says only that the
    export covers its day.
    """

    day: date
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: Fraction | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the line counts nothing."""
        return all(part is None for part in (self.input_tokens, self.output_tokens, self.cached_tokens, self.cost))


@dataclass(frozen=True, slots=True)
class Cells:
    """A row of a table by our names for its columns. `decimal_comma` says how the table writes numbers, as in `exact`.
    Reading a field raises UsageError, which says where it is."""

    where: str
    row: Sequence[str]
    places: Mapping[str, int]
    decimal_comma: bool | None = False

    def text(self, field: str) -> str:
        """The text in a column."""
        place = self.places.get(field)
        return self.row[place].strip() if place is not None and place < len(self.row) else ""

    def day(self) -> date:
        """The day in a column. Raises UsageError if there is none."""
        with located(self.where):
            return utc_day(self.text("day"))

    def tokens(self, field: str) -> int | None:
        """The token count in a column, None if it is empty. Raises UsageError if it is no count."""
        with located(f"{self.where}: {field}"):
            return whole(self.text(field), self.decimal_comma) if self.text(field) else None

    def dollars(self, field: str = "cost") -> Fraction | None:
        """The dollars in a column, None if it is empty. Raises UsageError if it is no amount."""
        with located(f"{self.where}: {field}"):
            _check_currency(self.text("currency") or "usd")
            written = self.text(field).removeprefix("$")
            return Fraction(exact(written, self.decimal_comma)) if written else None


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say where in the file a value is that cannot be understood."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{where}: not of the form that its format has ({error})") from error
    except (ValueError, ArithmeticError, OSError) as error:
        raise UsageError(f"{where}: {error}") from error


def writes_decimal_comma(text: str) -> bool | None:
    """Whether a number is written with a comma before its decimals (0,05 or 1.234,5) or with a point (0.05 or 1,234.5).
    None if it does not show (1234), could be either (1,234), or is no number."""
    number = _NUMBER.fullmatch(text.strip().removeprefix("$"))
    if number is None:
        return None
    written = number["number"]
    last = max(written.rfind(","), written.rfind("."))
    mark, other = (",", ".") if written[last] == "," else (".", ",")
    if last < 0 or (_ONE_GROUP.fullmatch(written) and other not in written):
        return None
    is_group_mark = written.count(mark) > 1 and other not in written
    return (mark == ",") != is_group_mark


def exact(text: object, decimal_comma: bool | None = False) -> Decimal:
    """A number as it is written, thousands separators aside. One that could be read in two ways is read with a decimal
    comma or without, as `decimal_comma` says, or refused (None). Raises ValueError."""
    written = str(text).strip()
    shown = writes_decimal_comma(written)
    comma = decimal_comma if shown is None else shown
    if comma is None and not written.isdecimal() and ("," in written or "." in written):
        raise ValueError(f"{written[:40]!r} can be read in two ways: with decimals, or in thousands")
    grouped = _WITH_COMMA if comma else _WITH_POINT
    if (match := grouped.fullmatch(written)) is None:
        raise ValueError(f"{written[:40]!r} is not a number")
    digits = re.sub(r"[^\d]", "", match["whole"])
    number = Decimal(f"{match['sign']}{digits or 0}.{match['decimals'] or 0}{match['exponent'] or ''}")
    if not number.is_finite() or not _MIN_EXPONENT <= _exponent(number) <= number.adjusted() <= _MAX_EXPONENT:
        raise ValueError(f"{str(text)[:40]!r} is not a number of a credible size")
    return number


def whole(value: object, decimal_comma: bool | None = False) -> int:
    """A number of tokens, which some exports write as 59200.0. Raises ValueError."""
    number = exact(value, decimal_comma)
    if number != int(number) or number < 0:
        raise ValueError(f"{value!r} is not a number of tokens")
    return int(number)


def utc_day(value: object) -> date:
    """The UTC day of a date, an ISO 8601 time (UTC unless it says otherwise) or seconds since 1970."""
    text = str(value).strip()
    if re.fullmatch(r"\d{9,11}(\.0*)?", text):
        return datetime.fromtimestamp(int(float(text)), UTC).date()
    try:
        when = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a day such as 2026-11-01, nor a time in UTC") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).date()


def nothing_on(start: object, where: str) -> UsageLine:
    """A line for a day without usage."""
    with located(where):
        return UsageLine(utc_day(start), _NO_MODEL)


# -- rows of tables --------------------------------------------------------------------------------------------------


def whole_input(cells: Cells) -> UsageLine:
    """Input tokens are given as a whole, or not at all."""
    return UsageLine(
        cells.day(),
        cells.text("model") or cells.text("kind") or _NO_MODEL,
        cells.tokens("input"),
        cells.tokens("output"),
        cells.tokens("cached"),
        cells.dollars(),
    )


def generation(cells: Cells) -> UsageLine:
    """OpenRouter's row for one generation. What the provider charges a key of the user's own is a column of its own."""
    costs = [cost for field in ("cost", "own_key") if (cost := cells.dollars(field)) is not None]
    return replace(whole_input(cells), cost=sum(costs, Fraction(0)) if costs else None)


def parts_of_input(cells: Cells) -> UsageLine:
    """Input tokens are given in parts: not cached, written to the cache, read from it."""
    parts = [cells.tokens(field) for field in ("uncached", "written", "written_5m", "written_1h", "cached")]
    given = [part for part in parts if part is not None]
    return UsageLine(
        cells.day(),
        cells.text("model") or _NO_MODEL,
        sum(given) if given else None,
        cells.tokens("output"),
        cells.tokens("cached"),
    )


def line_item(cells: Cells) -> UsageLine:
    """A row with a cost and no token counts."""
    return UsageLine(cells.day(), model_of_line_item(cells.text("item")), cost=cells.dollars())


def sku(cells: Cells) -> UsageLine | None:
    """A row about Gemini; None for any other. Cached input is a SKU of its own there, beside the rest of the input."""
    description = cells.text("sku")
    named = _SKU_MODEL.search(description.replace("_", " "))
    if named is None:
        return None
    words = re.split(r"[\s-]+", named[0])
    details = (place for place, word in enumerate(words) if place > 1 and word.casefold() in _SKU_DETAIL)
    model = "-".join(words[: next(details, len(words))]).lower()
    counted = _SKU_COUNT.search(description.replace("_", " "))
    amount = cells.tokens("amount") if counted else None
    is_output = counted is not None and counted[2].casefold() == "output"
    return UsageLine(
        cells.day(),
        model,
        None if is_output else amount,
        amount if is_output else None,
        amount if counted is not None and counted[1] else None,
        cells.dollars(),
    )


def model_of_line_item(item: str) -> str:
    """The model that a line item of OpenAI's costs is about, or the item as it is if it names none."""
    match = _LINE_ITEM.fullmatch(item.strip())
    return match["model"] if match else item.strip() or _NO_MODEL


# -- results of reports in JSON --------------------------------------------------------------------------------------


def anthropic_usage(result: Mapping[str, Any], start: object) -> UsageLine:
    """GET /v1/organizations/usage_report/messages, grouped by model."""
    cached = whole(result.get("cache_read_input_tokens") or 0)
    by_lifetime = dict(result.get("cache_creation") or {})
    creation = by_lifetime.values() or (result.get("cache_creation_input_tokens"),)
    return UsageLine(
        utc_day(start),
        str(result.get("model") or _NO_MODEL),
        whole(result["uncached_input_tokens"] or 0) + cached + sum(whole(count or 0) for count in creation),
        whole(result.get("output_tokens") or 0),
        cached,
    )


def anthropic_cost(result: Mapping[str, Any], start: object) -> UsageLine:
    """GET /v1/organizations/cost_report, grouped by description. The amount is in cents, as a decimal string."""
    _check_currency(result.get("currency") or "usd")
    name = result.get("model") or result.get("description") or result.get("cost_type") or _NO_MODEL
    return UsageLine(utc_day(start), str(name), cost=Fraction(exact(result["amount"])) / 100)


def openai_usage(result: Mapping[str, Any], start: object) -> UsageLine:
    """GET /v1/organization/usage/completions, grouped by model. Input includes cached tokens there too."""
    return UsageLine(
        utc_day(start),
        str(result.get("model") or _NO_MODEL),
        whole(result["input_tokens"] or 0),
        whole(result.get("output_tokens") or 0),
        whole(result.get("input_cached_tokens") or 0),
    )


def openai_cost(result: Mapping[str, Any], start: object) -> UsageLine:
    """GET /v1/organization/costs, grouped by line item. The amount is in dollars."""
    amount = result["amount"]
    _check_currency(amount.get("currency") or "usd")
    cost = Fraction(exact(amount["value"]))
    return UsageLine(utc_day(start), model_of_line_item(str(result.get("line_item") or "")), cost=cost)


def _check_currency(currency: str) -> None:
    if currency.strip().casefold() not in ("usd", "$"):
        raise ValueError(f"the amount is in {currency[:10]}; only US dollars can be compared")


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # it is finite
    return exponent
