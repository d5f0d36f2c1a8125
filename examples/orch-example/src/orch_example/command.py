"""`orch dearest`: the calls that cost most."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Annotated

import typer

from orchestrator.plugin_api import UsageError, load_settings


def dearest(
    count: Annotated[int, typer.Option("--count", "-n", help="How many calls to list.")] = 5,
    simulate: Annotated[bool, typer.Option("--simulate", help="Those of the simulated ledger.")] = False,
) -> None:
    """List the calls that cost most, dearest first: dollars, model, run."""
    if count < 1:
        raise UsageError("--count takes 1 or more")
    ledger = load_settings(os.environ, simulate=simulate or None).ledger
    if not ledger.exists():
        typer.echo("no calls yet")
        return
    query = "SELECT cost_nanousd, model, run_id FROM calls WHERE cost_nanousd IS NOT NULL ORDER BY 1 DESC LIMIT ?"
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        for cost, model, run in connection.execute(query, (count,)):
            typer.echo(f"{cost / 1e9:.6f}  {model}  {run}")
