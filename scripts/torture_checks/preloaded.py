"""What the server that child processes are forked from has imported, so that an SDK is paid for once."""

from orchestrator.cli.commands import run  # noqa: F401
from orchestrator.providers import anthropic, google, openai  # noqa: F401

from . import client  # noqa: F401
