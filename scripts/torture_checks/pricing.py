"""Random prices and usages: the recorded cost is never below the exact one, and at most one nano-dollar above."""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from decimal import Decimal
from multiprocessing import get_context

from orchestrator.money import Price, Rates, Tier, cost_nanousd
from orchestrator.types import Usage

from .check import Check, Findings, Size, Trial

_DAY = date(2026, 11, 21)
_DIGITS = 9  # after the point of a rate, at most
_UNIT = 10**_DIGITS
_BATCH = 5_000
_MOST_TOKENS = (0, 1, 7, 1_000, 200_000, 10**7)
_MS_AN_HOUR = 3_600_000


def _run(trial: Trial) -> Findings:
    findings = Findings()
    seeds = [(trial.rng.random(), min(_BATCH, trial.size.count - at)) for at in range(0, trial.size.count, _BATCH)]
    with ProcessPoolExecutor(trial.size.processes, mp_context=get_context("forkserver")) as pool:
        batches = list(pool.map(_batch, *zip(*seeds, strict=True)))
    findings.figure(f"{sum(exact for exact, _, _ in batches):,} came out even, {sum(up for _, up, _ in batches):,} up")
    findings.expect_none([case for _, _, wrong in batches for case in wrong], "not within a nano-dollar above")
    return findings


def _batch(seed: float, cases: int) -> tuple[int, int, list[str]]:
    """How many costs were whole nano-dollars, how many were rounded up, and what is wrong."""
    rng, even, up, wrong = random.Random(seed), 0, 0, []
    for _ in range(cases):
        price, usage, gpu_ms, numerator, denominator = _case(rng)
        above = cost_nanousd(price, usage, gpu_ms=gpu_ms) * denominator - numerator
        even += above == 0
        up += above > 0
        if not 0 <= above < denominator:
            wrong.append(f"{price} {usage} {gpu_ms} ms: {above}/{denominator} above")
    return even, up, wrong


def _case(rng: random.Random) -> tuple[Price, Usage, int, int, int]:
    """A price, a usage, GPU milliseconds, and the exact cost in nano-dollars as a numerator and a denominator."""
    if rng.random() < 0.1:
        rate, gpu_ms = _rate(rng), rng.randrange(10 ** rng.randint(0, 8))
        price = Price(_DAY, "invented", _DAY, gpu_hour=_decimal(rate))
        return price, Usage(), gpu_ms, rate * gpu_ms * 10**9, _UNIT * _MS_AN_HOUR
    base, tier = _rates(rng), _rates(rng)
    usage = _usage(rng)
    above = rng.randrange(1, 400_000)
    tiers = (Tier(above, _as_rates(tier)),) if rng.random() < 0.3 else ()
    price = Price(_DAY, "invented", _DAY, rates=_as_rates(base), tiers=tiers)
    rates = tier if tiers and usage.input_tokens > above else base
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    read, write = (rates[0] if rate is None else rate for rate in rates[2:])
    assert rates[0] is not None
    assert rates[1] is not None
    total = rates[0] * plain + rates[1] * usage.output_tokens
    total += (read or 0) * usage.cached_tokens + (write or 0) * usage.cache_write_tokens
    return price, usage, 0, total * 1_000, _UNIT  # 1 $/M tokens is 1,000 nano-dollars a token


def _rate(rng: random.Random) -> int:
    """Dollars, in units of the last digit: 0, tiny ones, and up to 1,000."""
    return rng.choice(
        (0, rng.randrange(10), rng.randrange(1_000) * 10 ** rng.randint(0, _DIGITS), rng.randrange(10**12))
    )


def _rates(rng: random.Random) -> tuple[int | None, ...]:
    """Input, output, cache read, cache write; the last two may be missing."""
    cache = (_rate(rng) if rng.random() < 0.6 else None for _ in range(2))
    return (_rate(rng), _rate(rng), *cache)


def _as_rates(units: tuple[int | None, ...]) -> Rates:
    plain, output, read, write = (None if unit is None else _decimal(unit) for unit in units)
    assert plain is not None
    assert output is not None
    return Rates(plain, output, read, write)


def _decimal(units: int) -> Decimal:
    return Decimal(units).scaleb(-_DIGITS)


def _usage(rng: random.Random) -> Usage:
    inputs, output = (rng.randint(0, rng.choice(_MOST_TOKENS)) for _ in range(2))
    cached = rng.randint(0, inputs)
    written = rng.randint(0, inputs - cached)
    return Usage(inputs, output, cached, written, rng.randint(0, output))


CHECK = Check(
    name="pricing",
    promise="a cost is never below the exact one, and at most one nano-dollar above",
    counts="prices and usages",
    small=Size(20_000),
    full=Size(1_000_000),
    run=_run,
)
