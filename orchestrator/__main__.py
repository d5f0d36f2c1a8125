"""The entry point of `orch` and `python -m orchestrator`, before anything else is imported."""

from __future__ import annotations

import gc
import sys

# Objects made between two looks for cycles. What is imported stays, and Python's 700 would have all of it looked at
# again and again while it grows, which takes a tenth of a run; a long command still collects what it leaves behind.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """The console script. Ctrl-C ends it without a traceback from the first moment on."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        from .cli.app import run  # heavy

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # the process ends: its memory goes as a whole, which spares a search of all that was imported
    sys.exit(code)


if __name__ == "__main__":
    main()
