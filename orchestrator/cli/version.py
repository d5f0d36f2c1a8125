"""What `orch --version` prints."""

from __future__ import annotations

from ..distribution import DISTRIBUTION
from .render import line


def print_version() -> None:
    """A line on stdout: `orch 1.2.3`."""
    from importlib.metadata import version  # heavy

    line(f"orch {version(DISTRIBUTION)}")
