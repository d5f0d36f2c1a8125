"""The name under which orch is installed. `orch` itself is another project's on the package index."""

from __future__ import annotations

DISTRIBUTION = "orch-llm"


def with_extra(*extras: str) -> str:
    """The command that installs what only some users need."""
    return f"pip install '{DISTRIBUTION}[{','.join(extras)}]'"


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import version as version_of  # heavy

    return version_of(DISTRIBUTION)
