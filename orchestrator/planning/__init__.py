"""From a prompt to a priced plan."""

from .making import Planned, cost_by_batch, make_plan

__all__ = ["Planned", "cost_by_batch", "make_plan"]
