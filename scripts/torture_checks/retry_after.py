"""Odd advice on when to come back: whatever a provider says, all waits of a call together stay under the cap."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from orchestrator.config import RetryPolicy
from orchestrator.providers.failures import Source, error_for, read_signal
from orchestrator.run.call.retry import Backoff

from .bill import simulator
from .check import Check, Findings, Size, Trial
from .client import Command
from .models import WIRES, Model, write_models
from .rows import calls_of

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_A_WEEK_S = 7 * 86_400
_ODD = (
    *("", " ", "0", "-0", "-1", "+3", "00", "007", "1e3", "1e309", "-1e309", "1e-9", "nan", "inf", "-inf", "Infinity"),
    *(
        "0x10",
        "1_000",
        "1,5",
        "1.5.5",
        "٣",
        "²",
        "12 ",
        "\t7",
        "3s",
        "3 seconds",
        "soon",
        "never",
        "null",
        "true",
        "[1]",
    ),
    *("9" * 30, "9" * 400, "0." + "0" * 400 + "1", "1;2", "2, 3", "1m", "6m0s", "12ms", "1h", "P1D", "PT5S"),
    *("Wed, 21 Oct 2015 07:28:00 GMT", "Sat, 21 Nov 2026 12:00:05 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"),
    *("Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 99 Nov 2026 12:00:05 GMT", "Sat, 21 Nov 2026 12:00:05 +9999"),
    *(
        "2026-11-21T12:00:05Z",
        "2026-11-21",
        "Sat Nov 21 12:00:05 2026",
        "21 Nov 26 12:00 EST",
        "Sat, 21 Nov 0000 1:1:1",
    ),
)
_HEADERS = ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset")
_REMAINING = {"x-ratelimit-remaining-requests": "0", "anthropic-ratelimit-requests-remaining": "0"}
# What the command line is tried with over loopback: (seconds of advice, how it is written)
_SPOKEN = ((0.05, "seconds"), (0.2, "milliseconds"), (0.35, "seconds"), (3.0, "milliseconds"), (7200.0, "date"))
_MAX_WAIT_S = 0.5
_SLACK_S = 6.0  # for what a busy machine takes beside waiting


def _run(trial: Trial) -> Findings:
    findings = Findings()
    taken, longest = 0, 0.0
    for number in range(trial.size.count):
        headers, body = _advice(trial.rng, number)
        waited, cap, advice = _waited(trial.rng, headers, body, findings)
        taken += advice is not None
        longest = max(longest, waited / cap if cap else 0.0)
        findings.expect(waited <= cap, f"{headers} {body}: waited {waited} s, with a cap of {cap} s")
    findings.figure(f"{taken} were taken as advice; the longest wait was {100 * longest:.1f} % of its cap")
    _spoken(trial, findings)
    return findings


def _advice(rng: random.Random, number: int) -> tuple[dict[str, str], object]:
    """Headers and body of a 429."""
    text = _ODD[number] if number < len(_ODD) else _random_text(rng)
    body: dict[str, object] = {"error": {"message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    if rng.random() < 0.2:
        delay: object = rng.choice((text, f"{text}s", f"{rng.randrange(10**6)}s", rng.random(), None, [], {}))
        body = {"error": {"message": "slow down", "details": [{"@type": "RetryInfo", "retryDelay": delay}]}}
    headers = {rng.choice(_HEADERS) if number >= len(_ODD) else _HEADERS[0]: text}
    return headers | (_REMAINING if rng.random() < 0.3 else {}), body


def _random_text(rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind == 0:
        return str(rng.choice((1, -1)) * rng.random() * 10 ** rng.randint(-9, 25))
    if kind == 1:
        return str(rng.randrange(10 ** rng.randint(1, 25)))
    if kind == 2:
        return format_datetime(_NOW + timedelta(seconds=rng.uniform(-1e6, 1e8)), usegmt=True)
    if kind == 3:
        return f"{rng.randrange(100)}m{rng.random() * 100:.3f}s"
    return "".join(rng.choice("0123456789eE+-.: msd\u0663GMT") for _ in range(rng.randrange(12)))


def _waited(
    rng: random.Random, headers: Mapping[str, str], body: object, findings: Findings
) -> tuple[float, float, float | None]:
    """All the waits of one call that fails for ever with this advice, its cap, and the advice as it was taken."""
    signal = read_signal(body, status=429, headers=headers, now=_NOW)
    advice = signal.retry_after_s
    sound = advice is None or (math.isfinite(advice) and 0 <= advice <= _A_WEEK_S)
    findings.expect(sound, f"{dict(headers)}: taken as {advice} s")
    policy = RetryPolicy(
        max_retries=rng.randrange(20), max_wait_s=rng.choice((0.0, 0.5, 60.0, rng.uniform(0, 5_000))), multiplier=3.0
    )
    left_s = rng.choice((600.0, rng.uniform(0, 100)))
    told: list[float] = []
    waits: list[float] = []
    backoff = Backoff(policy, lambda: left_s - sum(waits), rng, lambda seconds, _: told.append(seconds))
    while len(waits) <= policy.max_retries:
        wait = backoff(error_for(signal, Source("openai", "model")))
        if wait is False:
            break
        waits.append(float(wait))
    findings.expect(len(waits) <= policy.max_retries, f"{headers}: {len(waits)} retries of {policy.max_retries}")
    findings.expect(min(waits, default=0.0) >= 0, f"{headers}: a wait of {min(waits, default=0.0)} s")
    findings.expect(told == waits, f"{headers}: waited {waits}, and said {told}")
    return sum(waits), min(policy.max_wait_s, left_s), advice


def _spoken(trial: Trial, findings: Findings) -> None:
    """The same by `orch run --max-wait` and the clock, over loopback: a model for each piece of advice."""
    providers = list(WIRES)
    models = [Model(f"advice-{number}", providers[number % len(providers)]) for number in range(len(_SPOKEN))]
    models_file = write_models(trial.folder / "models.yaml", models)
    rules = "".join(
        f"  - {{model: {model.name}, fault: rate_limited, retry_after_s: {seconds}, retry_after_form: {form}}}\n"
        for model, (seconds, form) in zip(models, _SPOKEN, strict=True)
    )
    longest = 0.0
    with simulator(trial.folder, models_file, f"rules:\n{rules}") as provider:
        for model, (seconds, form) in zip(models, _SPOKEN, strict=True):
            folder = trial.folder / model.name
            folder.mkdir()
            argv = ["run", "-p", "Hello", "--chain", model.name, "--max-wait", str(_MAX_WAIT_S), "--output", "json"]
            argv += ["--models-file", str(models_file), "--ledger", str(folder / "ledger.db")]
            command = Command(argv, provider.environ, folder / "stdout", folder / "stderr")
            findings.expect(command.finish() == 6, f"advice of {seconds} s as {form}: not exit code 6")
            took_s = json.loads(command.stdout.read_text())["latency"]
            attempts = len(calls_of(folder / "ledger.db"))
            expected = 1 + min(2, int(_MAX_WAIT_S / seconds))
            findings.expect(attempts == expected, f"advice of {seconds} s as {form}: {attempts} attempts")
            findings.expect(
                took_s <= _MAX_WAIT_S + _SLACK_S * trial.patience, f"advice of {seconds} s as {form}: took {took_s} s"
            )
            longest = max(longest, took_s)
    findings.figure(f"by the command line, with --max-wait {_MAX_WAIT_S}, no run took longer than {longest:.2f} s")


CHECK = Check(
    name="retry_after",
    promise="whatever a provider advises, all waits of a call together stay under the cap",
    counts="odd values",
    small=Size(300),
    full=Size(1_000),
    run=_run,
)
