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

    What was spent today and this month, in the window of five hours that is open ({window}, with {left} of it to go;
    see orch blocks), and of the budget of which the largest share is spent. Imported usage (orch import) counts, but
    not in budgets. {calls} are today's. In the settings of Claude Code:
    "statusLine": {"type": "command", "command": "orch statusline"}
    """
    given = {"--format": flags.format, "--ledger": flags.ledger}
    words = [f"{name}={value}" for name, value in given.items() if value is not None]
    return statusline([*words, *(["--simulate"] if flags.simulate else [])])


commands = {"statusline": line}
