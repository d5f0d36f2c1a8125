"""What is known of a prompt before anything is called: how hard it is, what kind of task, how many tokens. Pure."""

from ..types import Task
from .complexity import ComplexityAnalyzer
from .tokens import estimate_tokens, upper_bound_tokens

__all__ = ["ComplexityAnalyzer", "Task", "estimate_tokens", "upper_bound_tokens"]
