"""Walks a plan. This is the only place that does."""

from .outcome import Outcome
from .walk import Execution

__all__ = ["Execution", "Outcome"]
