"""From a prompt to a priced plan."""

from .making import Planned, check_options, check_prompt, make_plan

__all__ = ["Planned", "check_options", "check_prompt", "make_plan"]
