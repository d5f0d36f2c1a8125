"""Every fault of the simulator, at every adapter, streamed and not, alone and with a model to fall back to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .bill import Simulator, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, prompt_of
from .fault_table import CASES, Case, Expected
from .models import WIRES, Model, bill_of, write_models
from .rows import Row, calls_of

_TIMEOUT_S, _SHORT_TIMEOUT_S = 2.0, 1.0  # the latter for what never comes
_NEXT = {provider: "anthropic" if provider == "openai" else "openai" for provider in WIRES}


@dataclass(frozen=True, slots=True)
class _Variant:
    """A case at one provider, by a model of its own."""

    number: int
    case: Case
    provider: str

    @property
    def model(self) -> str:
        return f"fault-{self.number}"

    @property
    def fallback(self) -> str:
        return f"good-{_NEXT[self.provider]}"


@dataclass(frozen=True, slots=True)
class _Run:
    """One command line: a variant, streamed or not, alone or followed by a model that answers."""

    variant: _Variant
    streamed: bool
    alone: bool
    tokens: int

    def __str__(self) -> str:
        how = f"{'streamed' if self.streamed else 'plain'}{'' if self.alone else ', with a fallback'}"
        return f"{self.variant.provider}, {self.variant.case.name} ({how})"

    @property
    def expected(self) -> Expected:
        case = self.variant.case
        if case.before_another is not None and not self.alone:
            return case.before_another
        return case.streamed if self.streamed else case.plain


@dataclass(frozen=True, slots=True)
class _Ended:
    run: _Run
    exit_code: int
    stdout: bytes
    stderr: str
    rows: Sequence[Row]
    requests: Sequence[dict[str, object]]


def _run(trial: Trial) -> Findings:
    findings = Findings()
    variants = list(_variants(trial.size.count))
    models = {variant.model: Model(variant.model, variant.provider) for variant in variants}
    models |= {f"good-{provider}": Model(f"good-{provider}", provider) for provider in set(_NEXT.values())}
    models_file = write_models(trial.folder / "models.yaml", models.values())
    rules = "".join(f"  - {{model: {variant.model}, {variant.case.rule}}}\n" for variant in variants)
    with (
        simulator(trial.folder, models_file, f"rules:\n{rules}") as provider,
        ThreadPoolExecutor(trial.size.processes) as pool,
    ):
        each = pool.map(lambda v: _runs(v, trial, provider, models_file), variants)
        ended = [one for several in each for one in several]
    for one in ended:
        _judge(one, models, findings)
    errors = Counter(one.run.expected.error or "answered" for one in ended)
    findings.figure(f"{len(variants)} faults of {len(CASES)} kinds, {len(ended)} runs")
    findings.figure(f"{sum(len(one.requests) for one in ended)} requests")
    findings.figure(", ".join(f"{number} {error}" for error, number in errors.most_common()))
    return findings


def _variants(count: int) -> Iterator[_Variant]:
    """That many of all, evenly spread."""
    every = [(case, provider) for case in CASES for provider in case.only]
    count = min(count, len(every))
    for number in range(count):
        yield _Variant(number, *every[number * len(every) // count])


def _runs(variant: _Variant, trial: Trial, provider: Simulator, models_file: Path) -> list[_Ended]:
    folder = trial.folder / variant.model
    folder.mkdir()
    never_comes = variant.case.rule.startswith("fault: timeout")
    config = folder / "config.yaml"
    timeout_s = (_SHORT_TIMEOUT_S if never_comes else _TIMEOUT_S) * trial.patience
    config.write_text(f"timeout: {timeout_s}\nretry: {{initial_backoff: 0.01}}\n", encoding="utf-8")
    ended = []
    for number, (streamed, alone) in enumerate((s, a) for s in (False, True) for a in (True, False)):
        run = _Run(variant, streamed, alone, tokens=20 + number)
        ended.append(_carry_out(run, folder / f"{number}", config, provider, models_file))
    return ended


def _carry_out(run: _Run, folder: Path, config: Path, provider: Simulator, models_file: Path) -> _Ended:
    """With a ledger of its own: what one run leaves there must not change another."""
    folder.mkdir()
    chain = run.variant.model if run.alone else f"{run.variant.model},{run.variant.fallback}"
    argv = ["run", "-p", prompt_of(run.tokens), "-s", "fallback", "--chain", chain, "--threshold", "0", "-v"]
    argv += ["--stream" if run.streamed else "--no-stream", "--config", str(config), "--models-file", str(models_file)]
    argv += ["--ledger", str(folder / "ledger.db")]
    before = len(_of(provider, run.variant.model))
    command = Command(argv, provider.environ, folder / "stdout", folder / "stderr")
    exit_code = command.finish()
    return _Ended(
        run,
        exit_code,
        command.stdout.read_bytes(),
        command.stderr.read_text(encoding="utf-8", errors="replace"),
        calls_of(folder / "ledger.db"),
        _of(provider, run.variant.model)[before:],
    )


def _of(provider: Simulator, model: str) -> list[dict[str, object]]:
    return [dict(entry) for entry in provider.journal() if entry["model"] == model]


def _judge(one: _Ended, models: dict[str, Model], findings: Findings) -> None:
    run, expected = one.run, one.run.expected
    rows = [row for row in one.rows if row["model"] == run.variant.model]
    next_rows = [row for row in one.rows if row["model"] == run.variant.fallback]
    findings.expect("Traceback" not in one.stderr and one.exit_code != 1, f"{run}: exit {one.exit_code}, a traceback")
    requests = len(one.requests)
    findings.expect(requests == expected.requests, f"{run}: {requests} requests, not {expected.requests}")
    findings.expect(len(rows) == requests, f"{run}: {len(rows)} rows of {requests} requests")
    errors = {row["error_code"] for row in rows}
    findings.expect(errors == {expected.error}, f"{run}: {errors}, not {expected.error}")
    bill = sum(bill_of(entry, models) for entry in one.requests)
    cost = sum(row["cost_nanousd"] or 0 for row in rows)
    findings.expect(cost >= bill, f"{run}: billed {bill}, recorded {cost}")
    exit_code = 0 if next_rows else expected.exit_code
    findings.expect(one.exit_code == exit_code, f"{run}: exit {one.exit_code}, not {exit_code}")
    if not run.alone and expected.falls_over is not None:
        findings.expect(bool(next_rows) == expected.falls_over, f"{run}: the next model got {len(next_rows)} calls")
        if expected.loud:
            findings.expect("warning:" in one.stderr, f"{run}: went on without a warning")
    if exit_code in (0, 8):
        findings.expect(bool(one.stdout.strip()), f"{run}: nothing on stdout")
    else:
        findings.expect(not one.stdout.strip(), f"{run}: an answer on stdout, though it failed")
    findings.expect(_is_utf8(one.stdout), f"{run}: stdout is not UTF-8")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


CHECK = Check(
    name="faults",
    promise="each fault gives the right class, exit code and number of requests, a row for each, and no traceback",
    counts="faults at an adapter, each streamed and not, alone and with a fallback",
    small=Size(24),
    full=Size(120),
    run=_run,
)
