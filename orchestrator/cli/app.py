"""`orch`: dispatch, and turn every error into one message and one exit code. Nothing else.

What takes its time to import waits until it is known that it is needed: `orch --version` loads no Typer.
"""

from __future__ import annotations

import os

from ..errors import Interrupted, OrchError
from . import render

EXIT_CLOSED_PIPE = 141


def run(argv: list[str]) -> int:
    """Carry out one command line; returns the exit code."""
    try:
        code = _carry_out(argv)
        render.flush()
        return code
    except BrokenPipeError:
        render.abandon_stdout()
        return EXIT_CLOSED_PIPE
    except render.OutputError as error:
        render.abandon_stdout()
        render.say(f"orch: {error}")
        return EXIT_CLOSED_PIPE
    except KeyboardInterrupt:
        return _fail(Interrupted(), argv)
    except OrchError as error:
        if error.exit_code == OrchError.exit_code:
            _show_traceback()
        return _fail(error, argv)
    except Exception as error:  # noqa: BLE001  # the one boundary: whatever it is, it is reported and has an exit code
        _show_traceback()
        bug = OrchError(
            f"unexpected {type(error).__name__}: {error}",
            hint="this is a bug in orch; ORCH_TRACEBACK=1 shows where it happened",
        )
        return _fail(bug, argv)


def _show_traceback() -> None:
    """Of a bug, for whoever asked for it."""
    if os.environ.get("ORCH_TRACEBACK"):
        import traceback  # heavy

        render.say(traceback.format_exc())


def _carry_out(argv: list[str]) -> int:
    if argv == ["--version"]:
        from .version import print_version  # heavy

        print_version()
        return 0
    if argv[:1] == ["statusline"]:
        from .statusline import asks_for_help, statusline  # heavy

        if not asks_for_help(argv[1:]):
            return statusline(argv[1:])
    from ..clock import check_clock  # heavy
    from .dispatch import dispatch  # heavy

    check_clock()
    return dispatch(argv)


def _fail(error: OrchError, argv: list[str]) -> int:
    from .failing import show_failure  # heavy

    try:
        return show_failure(error, argv)
    except (BrokenPipeError, render.OutputError):
        render.abandon_stdout()
        return EXIT_CLOSED_PIPE
