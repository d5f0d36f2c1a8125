"""A ledger that fails before a call stops it; one that fails after it costs neither the answer nor the record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bill import Simulator, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, ended
from .faulty_ledgers import AFTER, BEFORE, Break, LateBreak, tmpfs, wait_until
from .models import Model, billed, one_a_wire, write_models
from .rows import OPEN, calls_of, expect_consistent

_BUSY_TIMEOUT_S = 0.4  # instead of the 30 s that a ledger is otherwise waited for
_MODEL = "torture-openai"
# Models that answer this much later. The ledger must break before the answer comes: where it came too late, the next.
_LATE_MS = {"late-1": 400, "late-2": 4_000, "late-3": 40_000}
_SLOW = "rules:\n" + "".join(f"  - {{model: {name}, fault: slow, latency_ms: {ms}}}\n" for name, ms in _LATE_MS.items())
_MODELS = one_a_wire() | {name: Model(name, "openai") for name in _LATE_MS}
_PATIENCE_S = 20.0


def _run(trial: Trial) -> Findings:
    findings, skipped, tried = Findings(), [], 0
    models_file = write_models(trial.folder / "models.yaml", _MODELS.values())
    for number in range(trial.size.count):
        with simulator(trial.folder, models_file) as provider:
            for before in BEFORE:
                with _place(trial.folder / f"{number} {before.name}", on_tmpfs=before.on_tmpfs) as folder:
                    tried += folder is not None
                    if folder is None:
                        skipped.append(before.name)
                    else:
                        _refused(before, folder, models_file, provider, findings)
        with simulator(trial.folder, models_file, _SLOW) as provider:
            for after in AFTER:
                with _place(trial.folder / f"{number} {after.name}", on_tmpfs=after.on_tmpfs) as folder:
                    tried += folder is not None
                    if folder is None:
                        skipped.append(after.name)
                    else:
                        # Once on a quiet machine: the break is there before the first of these models answers.
                        for model in _LATE_MS:
                            if _spooled(after, folder, models_file, provider, findings, model, trial.patience):
                                break
                        else:
                            findings.problems.append(f"{after.name}: every answer came before it was broken")
    findings.figure(f"{tried} tried of {len(BEFORE)} ways before a call and {len(AFTER)} after it")
    if skipped:
        findings.figure(f"not tried, since mounting is not allowed: {', '.join(dict.fromkeys(skipped))}")
    return findings


@contextmanager
def _place(folder: Path, *, on_tmpfs: bool) -> Iterator[Path | None]:
    """A folder for a ledger; None where it would have to be mounted and may not. What is printed goes beside it."""
    folder.mkdir()
    if not on_tmpfs:
        (folder / "ledger").mkdir()
        yield folder
        return
    with tmpfs(folder / "ledger") as mounted:
        yield folder if mounted else None


def _refused(before: Break, folder: Path, models_file: Path, provider: Simulator, findings: Findings) -> None:
    """Exit code 11, no answer, no traceback, and no request."""
    ledger = folder / "ledger" / "ledger.db"
    if before.used:
        first = _ask(folder, ledger, models_file, provider)
        findings.expect(first.finish() == 0, f"{before.name}: the ledger was not good to begin with")
    requests = len(provider.journal())
    with before.breaking(ledger):
        exit_code = _ask(folder, ledger, models_file, provider, file_limit=before.file_limit).finish()
    said = (folder / "stderr").read_text(errors="replace")
    sent = len(provider.settled_journal()) - requests
    findings.expect(sent == 0, f"{before.name}: {sent} requests were sent")
    findings.expect(exit_code == 11, f"{before.name}: exit code {exit_code}: {said.strip()[:200]}")
    findings.expect("Traceback" not in said, f"{before.name}: a traceback")
    findings.expect(not (folder / "stdout").read_bytes(), f"{before.name}: something on stdout")


def _spooled(
    after: LateBreak,
    folder: Path,
    models_file: Path,
    provider: Simulator,
    findings: Findings,
    model: str,
    patience: int,
) -> bool:
    """The answer is printed, with a warning, and the next command that can has the cost in the ledger. False, with
    nothing found, if the answer came before the ledger was broken."""
    ledger = folder / "ledger" / f"{model}.db"
    findings.expect(_ask(folder, ledger, models_file, provider).finish() == 0, f"{after.name}: not good to begin with")
    requests = len(provider.settled_journal())
    process = _ask(folder, ledger, models_file, provider, model=model).start()
    sent = wait_until(lambda: len(provider.journal()) > requests, patience * _PATIENCE_S)
    findings.expect(sent, f"{after.name}: no request came")
    with after.breaking(ledger, process.pid or 0):
        in_time = calls_of(ledger)[-1]["status"] in OPEN
        code = ended(process, _LATE_MS[model] / 1000 + patience * _PATIENCE_S)
        if code is None:
            process.kill()
            ended(process)
            findings.problems.append(f"{after.name}: the command did not end")
    if not in_time:
        return False
    said = (folder / "stderr").read_text(errors="replace")
    findings.expect(code == 0, f"{after.name}: exit code {code}: {said.strip()[:200]}")
    findings.expect(bool((folder / "stdout").read_text().strip()), f"{after.name}: the answer was not printed")
    findings.expect("warning:" in said, f"{after.name}: no warning that the ledger could not take it")
    argv = ["stats", "--ledger", str(ledger)]
    code = Command(argv, {}, folder / "stats.out", folder / "stats.err").finish()
    findings.expect(code == 0, f"{after.name}: the next command exited {code}")
    rows, journal = calls_of(ledger), provider.settled_journal()[requests - 1 :]
    states = [row["status"] for row in rows]
    findings.expect(states == ["completed", "completed"], f"{after.name}: the calls are {states}")
    bill, recorded = billed(journal, _MODELS), sum(row["cost_nanousd"] or 0 for row in rows)
    findings.expect(recorded == bill, f"{after.name}: billed {bill}, recorded {recorded}")
    expect_consistent(ledger, findings)
    return True


def _ask(
    folder: Path,
    ledger: Path,
    models_file: Path,
    provider: Simulator,
    *,
    model: str = _MODEL,
    file_limit: int | None = None,
) -> Command:
    argv = ["run", "-p", "Tell me about rivers.", "--chain", model, "--threshold", "0", "--no-stream"]
    argv += ["--max-tokens", "40", "--models-file", str(models_file), "--ledger", str(ledger)]
    return Command(
        argv,
        provider.environ,
        folder / "stdout",
        folder / "stderr",
        file_limit=file_limit,
        busy_timeout_s=_BUSY_TIMEOUT_S,
    )


CHECK = Check(
    name="ledger_faults",
    promise="an unusable ledger stops a call before it is sent; one that fails later loses neither answer nor cost",
    counts="rounds of all",
    small=Size(1),
    full=Size(5),
    run=_run,
)
