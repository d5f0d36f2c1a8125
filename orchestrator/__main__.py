"""`orch`, and `python -m orchestrator`: both start here, before anything else is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script. Ctrl-C is quiet from the first moment on."""
    try:
        from .cli.app import run  # heavy

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
