"""Out of credit, in each provider's own words: one request, then the next model."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from .bill import simulator
from .check import Check, Findings, Size, Trial
from .client import Job, ask_all, prompt_of, results_of, start
from .models import Model, write_models
from .rows import calls_of

# provider -> the forms in which it says that there is no credit, as scenario rules
_FORMS = {
    "anthropic": ("status: 400", "status: 402", "status: 429"),
    "openai": ("",),
    "google": ("",),
    "deepseek": ("",),
    "openrouter": ("",),
    "cerebras": ("",),
}
_NEXT = {provider: "anthropic" if provider == "openai" else "openai" for provider in _FORMS}


def _run(trial: Trial) -> Findings:
    findings = Findings()
    forms = [(provider, form) for provider, forms in _FORMS.items() for form in forms]
    broke = {f"broke-{number}": Model(f"broke-{number}", provider) for number, (provider, _) in enumerate(forms)}
    good = {f"good-{provider}": Model(f"good-{provider}", provider) for provider in set(_NEXT.values())}
    models_file = write_models(trial.folder / "models.yaml", [*broke.values(), *good.values()])
    rules = [
        f"  - {{model: {name}, fault: out_of_credit{', ' if form else ''}{form}}}\n"
        for name, (_, form) in zip(broke, forms, strict=True)
    ]
    with simulator(trial.folder, models_file, "rules:\n" + "".join(rules)) as provider:
        for number, (name, model) in enumerate(islice(broke.items(), trial.size.count)):
            job = Job(
                environ=provider.environ,
                ledger=trial.folder / f"{number}.db",
                models_file=models_file,
                prompts=[prompt_of(20), prompt_of(30)],  # one streamed and one not
                chains=[f"{name},good-{_NEXT[model.provider]}"],
                results=trial.folder / f"{number}.jsonl",
            )
            client = start(ask_all, job)
            client.join()
            _judge(job, name, model, findings)
        journal = provider.settled_journal()
    requests = Counter(entry["model"] for entry in journal)
    tried = list(islice(broke, trial.size.count))
    findings.figure(
        f"{sum(requests[name] for name in tried)} requests to models out of credit in {2 * len(tried)} runs"
    )
    findings.expect_none([f"{name}: {requests[name]}" for name in tried if requests[name] > 2], "asked again")
    return findings


def _judge(job: Job, name: str, model: Model, findings: Findings) -> None:
    runs, _ = results_of(job)
    said = f"{name} at {model.provider}"
    findings.expect_none([run["error"] for run in runs if run["status"] != "complete"], f"{said} ended in")
    rows = calls_of(job.ledger)
    broke = [row for row in rows if row["model"] == name]
    # A model that is known to have no credit may be passed over the second time.
    findings.expect(1 <= len(broke) <= len(runs), f"{said}: {len(broke)} attempts in {len(runs)} runs")
    findings.expect_none(
        [row["error_code"] for row in broke if row["error_code"] != "quota_exhausted"], f"{said} was taken for"
    )
    findings.expect(sum(row["cost_nanousd"] for row in broke) == 0, f"{said}: an error was recorded as billed")
    answered = [row for row in rows if row["status"] == "completed" and row["model"] != name]
    findings.expect(len(answered) == len(runs), f"{said}: {len(answered)} answers from the next model")


CHECK = Check(
    name="quota",
    promise="a model that is out of credit is asked once, and the next one answers",
    counts="ways to say so",
    small=Size(8),
    full=Size(8),
    run=_run,
)
