"""Telling the user's own command of budget alerts."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence

from ...ledger.budgets import Alert
from ..events import Note, Observer

_PATIENCE_S = 10.0


def alert_document(alert: Alert) -> dict[str, object]:
    """An alert as a JSON object: what the command reads."""
    return {"schema_version": 1, "percent": alert.percent, **alert.state.to_dict(), "message": str(alert)}


async def tell(command: str, alerts: Sequence[Alert], observe: Observer, *, environ: Mapping[str, str]) -> None:
    """Run the command once for each alert, without a shell and in the environment given. One that fails, or takes long,
    is a warning and no more."""
    for alert in alerts:
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                env=environ,
            )
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await process.communicate(json.dumps(alert_document(alert)).encode())
            except TimeoutError:
                process.kill()
                await process.wait()
                observe(Note(f"on_alert: {command} was stopped after {_PATIENCE_S:.0f} s", loud=True))
            else:
                if process.returncode:
                    observe(Note(f"on_alert: {command} ended with exit code {process.returncode}", loud=True))
        except (OSError, ValueError) as error:
            observe(Note(f"on_alert: {command} cannot be run: {error}", loud=True))
