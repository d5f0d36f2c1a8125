"""How a command line that failed ends: the JSON object that was asked for, the message, the exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from ..config import says_simulated
from ..deferred import replace
from ..errors import OrchError
from ..run.result import refused_result
from . import render
from .output import Output


def show_failure(error: OrchError, argv: Sequence[str]) -> int:
    """Print what a failed command line asked for, and why it failed; returns the exit code. Raises as `render` does."""
    simulated = says_simulated(os.environ, flag="--simulate" in argv)
    refused = refused_result(error, strategy=None, simulated=simulated, when=datetime.now(UTC))
    # A file that was named is not touched: it may be meant for something else than this object.
    replace(Output.asked_for_in(argv), file=None).emit(refused.to_dict())
    render.error(error)
    render.flush()
    return error.exit_code
