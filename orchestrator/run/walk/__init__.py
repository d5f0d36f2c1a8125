"""Walks a plan. Nothing else does."""

from .outcome import Outcome
from .walk import Execution

__all__ = ["Execution", "Outcome"]
