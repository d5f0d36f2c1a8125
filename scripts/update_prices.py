"""Holds models.yaml against the pinned genai-prices, and adds what has changed: a maintainer's tool, never run by orch.

    python scripts/update_prices.py              # print the differences; exit 1 if there are any
    python scripts/update_prices.py --write      # add a dated entry for each changed price, in place

A changed price is a new entry with the first day it holds, never an overwrite: past bills must stay reproducible. Where
the file is right and the package is not, give the entry a `note` with the date and the reason; it is then left alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from genai_prices import types as genai
from genai_prices.data import providers

from orchestrator.billing import WEB_SEARCH
from orchestrator.config.yaml_files import read_document
from orchestrator.config.yaml_value import Value
from orchestrator.money import OtherRates, Price, Rates, Tier, discounted
from orchestrator.registry.loading import read_models, shipped
from orchestrator.registry.model import ModelSpec

SOURCE = f"genai-prices {version('genai-prices')}"
_DATED = re.compile(r"\b20[0-9]{2}-[01][0-9]-[0-3][0-9]\b")
_KINDS = ("processing", "service_tier", "speed")  # by what the package tells other rates of a model: by batch, by tier
_RATE_KEYS = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_OPTIONAL = ("cache_write_1h",)  # not what the input costs where it is not given


@dataclass(frozen=True, slots=True)
class Difference:
    """A model whose price is not the package's from `at` on; either side is None where that side has no price."""

    model: str
    at: datetime
    ours: Price | None
    theirs: Price | None

    def __str__(self) -> str:
        when = f"{self.at:%Y-%m-%d %H:%M} UTC"
        return f"{self.model} at {when}: {SOURCE} has {_flow(self.theirs)}; the file has {_flow(self.ours)}"


def differences(models: Iterable[ModelSpec], since: date) -> Iterator[Difference]:
    """The first unexplained difference of each model on or after a day. Self-hosted and unpriced models have none."""
    for spec in models:
        if not spec.prices or any(price.gpu_hour is not None for price in spec.prices):
            continue
        known = _known_prices(spec)
        for at in _instants(spec.prices, known, since, _variants(spec)):
            ours, theirs = spec.price_at(at), _with_others(spec, _their_price(known, at), at)
            explained = ours is not None and ours.note is not None and _DATED.search(ours.note)
            if not explained and not (same_rates(ours, theirs) and same_other_rates(ours, theirs)):
                yield Difference(spec.name, at, ours, theirs)
                break


def same_rates(ours: Price | None, theirs: Price | None) -> bool:
    """Whether two prices charge the same for input of any length."""
    if ours is None or theirs is None:
        return ours is theirs
    bounds = {tier.above for price in (ours, theirs) for tier in price.tiers}
    return all(
        _effective(ours, tokens) == _effective(theirs, tokens) for tokens in {0, *bounds, *(b + 1 for b in bounds)}
    )


def same_other_rates(ours: Price | None, theirs: Price | None) -> bool:
    """Whether two prices charge the same by batch, in each service tier and for a web search. What the package does not
    know of is not there."""
    if ours is None or theirs is None:
        return ours is theirs
    names = {"batch", *ours.service, *theirs.service}
    return ours.fees == theirs.fees and all(same_rates(ours.by_service(n), theirs.by_service(n)) for n in names)


def _effective(price: Price, input_tokens: int) -> tuple[Decimal, ...]:
    rates = price.rates_for(input_tokens)
    if rates is None:
        raise ValueError("a price without rates cannot be compared")
    cache = (rates.input if rate is None else rate for rate in (rates.cache_read, rates.cache_write))
    return (rates.input, rates.output, *cache, *(getattr(rates, key) or Decimal(0) for key in _OPTIONAL))


def _their_model(spec: ModelSpec) -> genai.ModelInfo | None:
    provider = next((provider for provider in providers if provider.id == spec.provider), None)
    return provider.find_model(spec.id) if provider else None


def _variants(spec: ModelSpec) -> list[genai.PriceVariant]:
    """What the package says of a model's requests by batch and in other service tiers."""
    model = _their_model(spec)
    found = () if model is None else model.price_variants or ()
    return [each for each in found if len(each.when) == 1 and next(iter(each.when)) in _KINDS]


def _their_others(spec: ModelSpec, at: datetime) -> dict[str, OtherRates]:
    """The package's batch and tier rates of a model at a time, by name. What one of them has no rate of its own for
    costs what it usually does."""
    others: dict[str, OtherRates] = {}
    for variant in _variants(spec):
        (name,) = variant.when.values()
        model = _their_model(spec)
        if model is None or name == "default" or (variant.constraint is not None and not variant.constraint.active(at)):
            continue
        price = _converted(model.get_prices(at, variant.when), at.date())
        if price is not None and price.rates is not None:
            others[str(name)] = OtherRates(price.rates, price.tiers)
    return others


def _with_others(spec: ModelSpec, price: Price | None, at: datetime) -> Price | None:
    if price is None:
        return None
    others = _their_others(spec, at)
    regions = spec.prices[-1].regions if spec.prices else {}  # which the package does not know
    return replace(price, batch=others.pop("batch", None), service=others, regions=regions)


def _known_prices(spec: ModelSpec) -> list[genai.ConditionalPrice]:
    """The package's prices of a model, unconditional ones included; empty if it does not know the model."""
    model = _their_model(spec)
    if model is None:
        return []
    return model.prices if isinstance(model.prices, list) else [genai.ConditionalPrice(prices=model.prices)]


def _their_price(known: Sequence[genai.ConditionalPrice], at: datetime) -> Price | None:
    """As the package resolves it: the last price whose condition is met, else the first."""
    active = [price for price in known if price.constraint is None or price.constraint.active(at)]
    chosen = active[-1] if active else next(iter(known), None)
    return _converted(chosen.prices, at.date()) if chosen else None


def _converted(prices: genai.ModelPrice, start: date) -> Price | None:
    fields = {key: getattr(prices, f"{key}_mtok") for key in _RATE_KEYS}
    if fields["input"] is None or fields["output"] is None:
        return None
    bounds = sorted({tier.start for field in fields.values() for tier in getattr(field, "tiers", ())})
    return Price(
        start=start,
        source=SOURCE,
        checked=start,
        rates=_rates_above(fields, -1),
        tiers=tuple(Tier(bound, _rates_above(fields, bound)) for bound in bounds),
        fees=_fees(prices),
    )


def _fees(prices: genai.ModelPrice) -> dict[str, Decimal]:
    """What one web search costs, in dollars; the package has it by the thousand."""
    by_thousand = prices.web_searches_kcount
    return {WEB_SEARCH: by_thousand / 1000} if isinstance(by_thousand, Decimal) else {}


def _rates_above(fields: Mapping[str, Decimal | genai.TieredPrices | None], bound: int) -> Rates:
    def rate(key: str) -> Decimal | None:
        field = fields[key]
        if not isinstance(field, genai.TieredPrices):
            return field
        reached = [tier.price for tier in field.tiers if tier.start <= bound]
        return reached[-1] if reached else field.base

    plain, written = rate("input"), rate("output")
    assert plain is not None  # `_converted` looked
    assert written is not None
    return Rates(plain, written, *(rate(key) for key in _RATE_KEYS[2:]))


def _instants(
    ours: Sequence[Price],
    theirs: Sequence[genai.ConditionalPrice],
    since: date,
    variants: Sequence[genai.PriceVariant] = (),
) -> list[datetime]:
    """Every moment from a day on at which either side may change, and the last minute before each."""
    days, times = {since}, {time(0), time(23, 59)}
    for price in ours:
        days.add(price.start)
        times.update(price.hours_utc or ())
    for constraint in [each.constraint for each in theirs] + [each.constraint for each in variants]:
        match constraint:
            case genai.StartDateConstraint(start_date=start):
                days.add(start)
            case genai.TimeOfDateConstraint(start_time=first, end_time=last):
                times.update(edge.replace(tzinfo=None) for edge in (first, last))
    moments = [datetime.combine(day, edge, UTC) for day in days if day >= since for edge in times]
    before = [moment - timedelta(minutes=1) for moment in moments]
    return sorted(moment for moment in {*moments, *before} if moment.date() >= since)


def entries(spec: ModelSpec, start: date, checked: date) -> list[str]:
    """The package's prices of a model from a day on, as entries of models.yaml: one a change, then its dearer hours."""
    known = _known_prices(spec)
    instants = _instants((), known, start, _variants(spec))
    windows = [c.constraint for c in known if isinstance(c.constraint, genai.TimeOfDateConstraint)]
    lines: list[str] = []
    written: list[str] = []
    for day in sorted({instant.date() for instant in instants if instant.time() == time(0)}):
        usual = datetime.combine(day, _outside(windows), UTC)
        base = _flow(_with_others(spec, _their_price(known, usual), usual))
        block = [base]
        for window in windows:
            first, last = (edge.replace(tzinfo=None) for edge in (window.start_time, window.end_time))
            within = datetime.combine(day, first, UTC)
            rates = _flow(_with_others(spec, _their_price(known, within), within))
            if rates != base:
                block.append(f'utc: "{first:%H:%M}-{last:%H:%M}", {rates}')
        if block != written:
            written = block
            tail = f"source: {SOURCE}, checked: {checked}"
            lines += [f"{{from: {day}, {base}, {tail}}}", *(f"{{{hours}, {tail}}}" for hours in block[1:])]
    return lines


def _outside(windows: Sequence[genai.TimeOfDateConstraint]) -> time:
    """A time of the day that no window covers."""
    day = datetime(2000, 1, 1, tzinfo=UTC)
    minutes = (day + timedelta(minutes=minute) for minute in range(24 * 60))
    return next(moment.time() for moment in minutes if not any(window.active(moment) for window in windows))


def _flow(price: Price | None) -> str:
    """Rates as they are written in models.yaml, without the braces."""
    if price is None or price.rates is None:
        return "no price"
    return ", ".join(_flow_parts(price))


def _flow_parts(price: Price) -> Iterator[str]:
    assert price.rates is not None  # only prices by the token are compared
    yield _rates_and_tiers(price.rates, price.tiers)
    if price.batch is not None:
        yield f"batch: {_other_flow(price, price.batch)}"
    if price.service:
        tiers = (f"{name}: {_other_flow(price, other)}" for name, other in sorted(price.service.items()))
        yield f"service: {{{', '.join(tiers)}}}"
    if price.fees:
        yield f"fees: {_named(price.fees)}"
    if price.regions:
        yield f"regions: {_named(price.regions)}"


def _named(amounts: Mapping[str, Decimal]) -> str:
    return "{" + ", ".join(f"{name}: {amount.normalize():f}" for name, amount in sorted(amounts.items())) + "}"


def _other_flow(price: Price, other: OtherRates) -> str:
    """Other rates as they are written: as the share of all usual rates that they are, or one by one."""
    assert price.rates is not None
    if price.rates.input and other.rates.input:
        share = (other.rates.input / price.rates.input).normalize()
        usual = discounted(price.rates, price.tiers, share)
        if same_rates(
            replace(price, rates=usual.rates, tiers=usual.tiers), replace(price, rates=other.rates, tiers=other.tiers)
        ):
            return f"{share:f}"
    return f"{{{_rates_and_tiers(other.rates, other.tiers)}}}"


def _rates_and_tiers(rates: Rates, tiers: Sequence[Tier]) -> str:
    written = ", ".join(f"{{above: {tier.above:_}, {_rates_flow(tier.rates)}}}" for tier in tiers)
    return _rates_flow(rates) + (f", tiers: [{written}]" if written else "")


def _rates_flow(rates: Rates) -> str:
    known = ((key, getattr(rates, key)) for key in _RATE_KEYS)
    return ", ".join(f"{key}: {rate.normalize():f}" for key, rate in known if rate is not None)


def insert(path: Path, additions: Mapping[str, Sequence[str]]) -> None:
    """Adds entries after the last price of each model named, and touches nothing else. The file is replaced whole.

    Raises ConfigError, and leaves the file alone, if the result would not load.
    """
    lines = path.read_text("utf-8").splitlines(keepends=True)
    places = {name: _last_price_line(path, name) for name in additions}
    for name in sorted(additions, key=lambda name: places[name], reverse=True):
        first = places[name] - 1
        indent = re.match(r" *", lines[first])[0]  # type: ignore[index]  # ` *` matches any line
        after = first + 1
        while after < len(lines) and lines[after].startswith(indent + " "):
            after += 1
        lines[after:after] = [f"{indent}- {entry}\n" for entry in additions[name]]
    draft = path.with_name(path.name + ".new")
    draft.write_text("".join(lines), "utf-8")
    try:
        read_models(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _last_price_line(path: Path, name: str) -> int:
    place = read_document(path)
    for key in ("models", name, "prices"):
        assert isinstance(place.content, dict)  # the file has been read as a registry
        place = place.content[key]
    assert isinstance(place.content, tuple)
    last: Value = place.content[-1]
    return last.line


def main(arguments: Sequence[str], today: date) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="add the changed prices to the file")
    parser.add_argument(
        "--since", type=date.fromisoformat, default=today, metavar="DAY", help="compare from this day on"
    )
    parser.add_argument("--file", type=Path, default=shipped("models.yaml"), metavar="FILE", help="another models.yaml")
    options = parser.parse_args(arguments)
    models = read_models(options.file)
    found = list(differences(models.values(), options.since))
    print("\n".join(map(str, found)) or f"{options.file} agrees with {SOURCE} from {options.since} on")
    if not options.write or not found:
        return 1 if found else 0
    additions: dict[str, list[str]] = {}
    for difference in found:
        spec, start = models[difference.model], difference.at.date()
        if difference.theirs is None or spec.prices[-1].start >= start:
            print(f"{spec.name}: edit by hand: there is nothing to add, or an entry from {start} on is already there")
        else:
            additions[spec.name] = entries(spec, start, today)
    insert(options.file, additions)
    remaining = list(differences(read_models(options.file).values(), options.since))
    print(f"added prices to {len(additions)} models; {len(remaining)} still differ")
    return 1 if remaining else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.now(UTC).date()))
