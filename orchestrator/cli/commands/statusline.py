"""`orch statusline` as Typer shows it: `cli.statusline` carries it out."""

from __future__ import annotations

from typing import Annotated

import typer

from ...deferred import dataclass
from ..options import LedgerFlags, command
from ..statusline import statusline


@dataclass(frozen=True, kw_only=True)
class _LineFlags(LedgerFlags):
    format: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The line, with {today}, {month}, {window}, {left}, {budget} and {calls} in it.",
            show_default="what there is to say",
        ),
    ] = None


@command(_LineFlags)
def line(flags: _LineFlags) -> int:
    """For a shell's prompt or an editor: it takes some 30 ms. Says nothing where there is no ledger.

    {today} and {month} are what was spent today and this month; {window} is what was spent in the current window of
    five hours (see orch blocks), and {left} the time until it ends; {budget} is the budget that is closest to its
    limit; {calls} is the number of calls today. Imported usage (orch import) counts, but not in budgets. In the
    settings of Claude Code:
    "statusLine": {"type": "command", "command": "orch statusline"}
    """
    given = {"--format": flags.format, "--ledger": flags.ledger}
    words = [f"{name}={value}" for name, value in given.items() if value is not None]
    return statusline([*words, *(["--simulate"] if flags.simulate else [])])


commands = {"statusline": line}
