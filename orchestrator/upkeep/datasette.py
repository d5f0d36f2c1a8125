"""What Datasette is told of a ledger: titles, what the columns mean, and which tables are for orch alone."""

from __future__ import annotations

from typing import Any

_HIDDEN = (
    *("run_rows", "call_rows", "texts", "run_sums", "call_sums", "summed_days", "unfinished", "pruned_runs"),
    *("answer_sums", "page_days", "sqlite_sequence", "batch_jobs", "batch_lines", "batch_results"),
    *("spending", "pruned_spending", "budget_alerts", "rate_slots", "rate_days", "learned_limits", "breakers", "turns"),
    *("stopped_experiments", "conversation_turns", "conversation_marks", "conversations", "keys", "repricings"),
    *("leases", "lease_holds", "lease_pieces", "lease_rates", "rate_shares"),
)
_MONEY = {"cost_dollars": "What it cost, in dollars; empty if a price is not known"}
_TIMES = {"created_at": "When it was begun (UTC)", "ended_at": "When it ended (UTC); empty while it is under way"}
_VIEWS: dict[str, dict[str, Any]] = {
    "v_runs": {
        "title": "Runs",
        "description": "One row a prompt, with its answer.",
        "sort_desc": "created_at",
        "facets": ["status", "strategy", "model_used", "category"],
        "columns": {
            **_TIMES,
            **_MONEY,
            "day": "The user's calendar day",
            "confidence": "0 to 1, of the answer given",
            "rating": "0 (bad) to 1 (good), by the user",
            "latency_s": "Seconds from start to end",
        },
    },
    "v_calls": {
        "title": "Calls",
        "description": "One row an attempt at a model: a retry is a row of its own.",
        "sort_desc": "created_at",
        "facets": ["status", "provider", "model", "cost_source"],
        "columns": {
            **_TIMES,
            **_MONEY,
            "reserved_dollars": "The highest that it could cost, set aside before it was sent",
            "cost_source": "How its cost is known: usage, provider, estimate, imported, none or unpriced",
        },
    },
    "v_daily": {
        "title": "Days",
        "description": "Calls, dollars and tokens by day, provider and model; pruned ones too.",
        "sort_desc": "day",
        "columns": _MONEY,
    },
    "v_budgets": {"title": "Budgets", "description": "Each budget, and what is spent in its window."},
}


def metadata(name: str) -> dict[str, Any]:
    """Datasette's metadata for a ledger whose file has this name, without its ending."""
    return {
        "title": "orch",
        "databases": {
            name: {"tables": {**_VIEWS, **{table: {"hidden": True} for table in _HIDDEN}}},
        },
    }
