"""What is known of a prompt before anything is called: how hard it is, what kind of task, how many tokens. Pure."""

from .answer import AnswerForm, answer_form, expected_output_tokens
from .complexity import ComplexityAnalyzer
from .tasks import Task
from .tokens import estimate_tokens, upper_bound_tokens

__all__ = [
    "AnswerForm",
    "ComplexityAnalyzer",
    "Task",
    "answer_form",
    "estimate_tokens",
    "expected_output_tokens",
    "upper_bound_tokens",
]
