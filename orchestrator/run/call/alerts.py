"""Runs the user's `on_alert` command for budget alerts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from ...ledger.budgets import Alert
from ..events import Note, Observer
from .user_command import run_command

_PATIENCE_S = 10.0  # for all alerts of a run together


def alert_document(alert: Alert) -> dict[str, object]:
    """An alert as the JSON object that the command reads."""
    return {"schema_version": 1, "percent": alert.percent, **alert.state.to_dict(), "message": str(alert)}


async def tell(command: str, alerts: Sequence[Alert], observe: Observer, *, environ: Mapping[str, str]) -> None:
    """Run the command once for each alert, in order, as `run_command` does. If it fails or there is no time for it,
    that is only a warning."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_S
    for alert in alerts:
        given = json.dumps(alert_document(alert)).encode()
        try:
            code, said = await run_command(command, given, environ=environ, timeout_s=until - loop.time())
        except TimeoutError:
            observe(Note(f"on_alert: {command} was stopped after {_PATIENCE_S:.0f} s", loud=True))
        except (OSError, ValueError) as error:
            observe(Note(f"on_alert: {command} cannot be run: {error}", loud=True))
        else:
            complaint = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            ending = f" ({complaint})" if complaint else ""
            if code:
                observe(Note(f"on_alert: {command} ended with exit code {code}{ending}", loud=True))
