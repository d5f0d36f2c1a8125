"""Readers from strict YAML to the registry's records. The head of `models.yaml` explains each key.

Mistakes within one record are found here; mistakes between records are found in `loading`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from ..config.strict_yaml import Reader, Table, day, decimal, integer, list_of, one_of, record, text
from ..config.yaml_value import Kind, Value
from ..deferred import dataclass
from ..errors import did_you_mean
from ..expressions import expression
from ..money import OtherRates, Price, Rates, Tier, discounted
from ..types import Level
from .model import Feature, FreeQuota, ModelSpec, RateLimits, Scores, Status
from .providers import PROVIDERS

MAX_RATE = Decimal(1_000_000)  # dollars, per million tokens or per GPU hour: beyond it is a slip of the decimal point
MAX_FACTOR = Decimal(100)  # of a service tier or a region
MAX_TOKENS = 1_000_000_000
MAX_COUNT = 1_000_000_000_000
SINCE_RELEASE = date.min  # the start of a model's first price where the file gives none

T = TypeVar("T")

_NAME = expression(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")  # no comma: lists of names are written with commas
_HOURS = expression(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a file's prices come from and when they were last checked, for entries that do not say."""

    source: str
    checked: date | None


def model(provenance: Provenance) -> Reader[ModelSpec]:
    """A reader for one entry under `models:`, named by its key."""

    def read(value: Value) -> ModelSpec:
        name = name_of(value)
        return record(lambda table: _model(table, name, provenance))(value)

    return read


def aliases_of(value: Value) -> tuple[str, ...]:
    """The aliases of an entry that is not read otherwise."""
    aliases = value.content.get("aliases") if isinstance(value.content, dict) else None
    return () if aliases is None else list_of(_name)(aliases)


def name_of(value: Value) -> str:
    """The key of a value, as the name of a model or chain."""
    if not _NAME.fullmatch(value.key):
        raise value.error("a name is made of letters, digits and . _ : / @ + - and starts with a letter or digit")
    return value.key


def _model(table: Table, name: str, provenance: Provenance) -> ModelSpec:
    spec = ModelSpec(
        name=name,
        provider=table.required("provider", provider),
        id=table.optional("id", text, name),
        status=table.optional("status", one_of(Status), Status.CURRENT),
        retires=table.optional("retires", day, None),
        context_window=table.required("context_window", integer(minimum=1, maximum=MAX_TOKENS)),
        output_limit=table.required("output_limit", integer(minimum=1, maximum=MAX_TOKENS)),
        levels=table.required("levels", _levels),
        scores=table.required("scores", record(_scores)),
        limits=table.optional("limits", record(_limits), RateLimits()),
        free_quota=table.optional("free_quota", record(_free_quota), None),
        supports=table.optional("supports", _words(one_of(Feature)), frozenset()),
        tags=table.optional("tags", _words(text), frozenset()),
        aliases=table.optional("aliases", list_of(_name), ()),
        tokens_per_second=table.optional("tokens_per_second", _positive, None),
        prices=table.required("prices", prices(provenance)),
    )
    if spec.output_limit > spec.context_window:
        raise table.value.error(f"output_limit {spec.output_limit:,} is above context_window {spec.context_window:,}")
    if spec.status is Status.RETIRED and spec.retires is None:
        raise table.value.error("a retired model needs 'retires', the day it stopped answering")
    if spec.tokens_per_second is None and any(price.gpu_hour is not None for price in spec.prices):
        raise table.value.error("a price by gpu_hour needs 'tokens_per_second' to be worth anything")
    return spec


def provider(value: Value) -> str:
    """The name of a provider that there is."""
    name = text(value)
    if name not in PROVIDERS:
        suggestion = did_you_mean(name, PROVIDERS) or f"known: {', '.join(PROVIDERS)}"
        raise value.error(f"there is no provider {name!r} ({suggestion})")
    return name


def _name(value: Value) -> str:
    name = text(value)
    if not _NAME.fullmatch(name):
        raise value.error(f"{name!r} cannot be a name: letters, digits and . _ : / @ + - only")
    return name


def _levels(value: Value) -> tuple[Level, ...]:
    levels = list_of(one_of(Level), at_least=1)(value)
    if len(set(levels)) < len(levels):
        raise value.error("names a level twice")
    return tuple(sorted(levels, key=lambda level: level.rank))


def _words(word: Reader[str]) -> Reader[frozenset[str]]:
    def read(value: Value) -> frozenset[str]:
        return frozenset(str(found) for found in list_of(word)(value))

    return read


def _ratio(value: Value) -> float:
    return float(decimal(minimum=0, maximum=1)(value))


def _positive(value: Value) -> float:
    number = decimal(minimum=0, maximum=MAX_RATE)(value)
    if not number:
        raise value.error("must be more than 0")
    return float(number)


def _scores(table: Table) -> Scores:
    return Scores(
        coding=table.required("coding", _ratio),
        reasoning=table.required("reasoning", _ratio),
        speed=table.required("speed", _ratio),
        long_context=table.required("long_context", _ratio),
    )


_count = integer(minimum=1, maximum=MAX_COUNT)
_rate = decimal(minimum=0, maximum=MAX_RATE)


def _limits(table: Table) -> RateLimits:
    return RateLimits(
        rpm=table.optional("rpm", _count, None),
        tpm=table.optional("tpm", _count, None),
        rpd=table.optional("rpd", _count, None),
        tpd=table.optional("tpd", _count, None),
    )


def _free_quota(table: Table) -> FreeQuota:
    return FreeQuota(
        requests_per_day=table.optional("requests_per_day", _count, None),
        tokens_per_day=table.optional("tokens_per_day", _count, None),
    )


def prices(provenance: Provenance) -> Reader[tuple[Price, ...]]:
    """A list of dated prices, oldest first, or the word `unpriced` for an unknown price."""

    def read(value: Value) -> tuple[Price, ...]:
        if value.kind is Kind.TEXT and value.written == "unpriced":
            return ()
        if not isinstance(value.content, tuple):
            raise value.expected("a list of prices, or the word unpriced")
        if not value.content:
            raise value.error("needs a price, or the word unpriced")
        prices: list[Price] = []
        for item in value.content:
            prices.append(record(_price(prices, provenance))(item))
        return tuple(prices)

    return read


def _price(earlier: list[Price], provenance: Provenance) -> Callable[[Table], Price]:
    """A price that follows those already read: the last one that has started, and whose hours match, applies."""

    def build(table: Table) -> Price:
        hours = table.optional("utc", _hours, None)
        if not earlier:
            if hours is not None:
                raise table.value.error("the first price must hold at all hours; give it no 'utc'")
            start = table.optional("from", day, SINCE_RELEASE)
        elif hours is not None:
            start = table.optional("from", day, earlier[-1].start)
        else:
            start = table.required("from", day)
        if earlier and (start < earlier[-1].start or (hours is None and start == earlier[-1].start)):
            raise table.value.error(f"prices must be in order of 'from', and {start} is not after the one before")
        checked = table.optional("checked", day, provenance.checked)
        if checked is None:
            raise table.value.error("'checked' is missing: the day of this price, here or at the top of the file")
        gpu_hour = table.optional("gpu_hour", _rate, None)
        if gpu_hour is not None and ("input" in table or "output" in table):
            raise table.value.error("gpu_hour and prices by token exclude each other")
        for key, what in (("batch", "a batch rate"), ("service", "service tiers"), ("fees", "fees")):
            if gpu_hour is not None and key in table:
                raise table.value.error(f"gpu_hour and {what} exclude each other")
        rates, tiers = (None, ()) if gpu_hour is not None else (_rates(table), _tiers(table))
        return Price(
            start=start,
            source=table.optional("source", text, provenance.source),
            checked=checked,
            rates=rates,
            tiers=tiers,
            gpu_hour=gpu_hour,
            hours_utc=hours,
            note=table.optional("note", text, None),
            batch=None if rates is None else table.optional("batch", _other(rates, tiers), None),
            service={} if rates is None else table.optional("service", _by_name(_other(rates, tiers)), {}),
            regions=table.optional("regions", _by_name(decimal(minimum=0, maximum=MAX_FACTOR)), {}),
            fees={} if rates is None else table.optional("fees", _by_name(_rate), {}),
        )

    return build


def _rates(table: Table) -> Rates:
    return Rates(
        input=table.required("input", _rate),
        output=table.required("output", _rate),
        cache_read=table.optional("cache_read", _rate, None),
        cache_write=table.optional("cache_write", _rate, None),
        cache_write_1h=table.optional("cache_write_1h", _rate, None),
        input_audio=table.optional("input_audio", _rate, None),
        output_audio=table.optional("output_audio", _rate, None),
    )


def _tiers(table: Table) -> tuple[Tier, ...]:
    return _in_order(table.optional("tiers", list_of(record(_tier)), ()), table)


def _other(rates: Rates, tiers: tuple[Tier, ...]) -> Reader[OtherRates]:
    """A factor of all the usual rates, such as 0.5; or rates and tiers of its own."""

    def read(value: Value) -> OtherRates:
        if value.kind not in (Kind.INTEGER, Kind.NUMBER):
            return record(lambda table: OtherRates(_rates(table), _tiers(table)))(value)
        factor = decimal(minimum=0, maximum=1 if value.key == "batch" else MAX_FACTOR)(value)
        if not factor:
            raise value.error("must be more than 0: what costs nothing has rates of its own, of 0")
        return discounted(rates, tiers, factor)

    return read


def _by_name(read_one: Reader[T]) -> Reader[Mapping[str, T]]:
    """A mapping from names, in any case, to values."""

    def read(value: Value) -> Mapping[str, T]:
        if not isinstance(value.content, dict):
            raise value.expected("a table of names")
        return {name.lower(): read_one(item) for name, item in value.content.items()}

    return read


def _tier(table: Table) -> Tier:
    return Tier(above=table.required("above", integer(minimum=1, maximum=MAX_TOKENS)), rates=_rates(table))


def _in_order(tiers: tuple[Tier, ...], table: Table) -> tuple[Tier, ...]:
    bounds = [tier.above for tier in tiers]
    if any(left >= right for left, right in pairwise(bounds)):
        raise table.value.error("tiers must be in order of 'above'")
    return tiers


def _hours(value: Value) -> tuple[time, time]:
    hours = _HOURS.fullmatch(text(value))
    if hours is None:
        raise value.error(f"expected two times of the UTC day, such as '01:00-04:00', found {value.written!r}")
    first, last = (time(int(hours[hour]), int(hours[hour + 1])) for hour in (1, 3))
    if first == last:
        raise value.error("starts and ends at the same time")
    return first, last
