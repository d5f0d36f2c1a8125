"""`orch help`: the same as `--help`."""

from __future__ import annotations

from typing import Annotated

import typer

from ...deferred import dataclass
from ..dispatch import dispatch
from ..options import command


@dataclass(frozen=True, kw_only=True)
class _HelpFlags:
    command: Annotated[list[str] | None, typer.Option(metavar="COMMAND", help="The command; none for all of them.")] = (
        None
    )


@command(_HelpFlags, argument="command")
def help_(flags: _HelpFlags) -> int:
    """orch help; orch help run. The same as orch --help and orch run --help."""
    return dispatch([*(flags.command or ()), "--help"])


commands = {"help": help_}
