"""What the semantic cache looked at for a past run, with the prompts that the ledger has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UsageError
from ...ledger.queries import find_run
from ...ledger.records import RunRecord
from ...ledger.store import Ledger


def looked_at(ledger: Ledger, run: RunRecord, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nearest kept prompts of a run, each with its `prompt` and the `words` that part the two; both are None where
    the ledger does not keep the texts."""
    rows: Sequence[Mapping[str, Any]] = metadata.get("semantic_cache", ())
    if not rows:
        return []
    from ...paraphrase.agreement import differences  # few runs have any

    found: list[dict[str, Any]] = []
    for row in rows:
        try:
            prompt = find_run(ledger, row["run_id"]).run.prompt
        except UsageError:  # it was taken out of the ledger
            prompt = None
        words = None if prompt is None or run.prompt is None else list(differences(run.prompt, prompt))
        found.append({**row, "prompt": prompt, "words": words})
    return found
