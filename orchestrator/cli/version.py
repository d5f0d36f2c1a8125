"""What `orch --version` prints."""

from __future__ import annotations

from ..distribution import version
from .render import line


def print_version() -> None:
    """A line on stdout: `orch 1.2.3`."""
    line(f"orch {version()}")
