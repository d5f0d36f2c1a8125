"""How good a model is rated for a kind of task, by its scores in the registry, and which ones are good enough."""

from __future__ import annotations

from collections.abc import Mapping

from ..registry.model import ModelSpec
from ..types import Task
from .base import Obstacle, Offer, marked

_BY_CODING = frozenset({Task.CODE, Task.DEBUGGING})


def rating(spec: ModelSpec, task: str) -> float:
    """A model's score for tasks of a kind, 0 to 1: its score for coding where code is asked for, else for reasoning."""
    return spec.scores.coding if task in _BY_CODING else spec.scores.reasoning


def rated_from(least: float, offers: Mapping[str, Offer], task: str) -> dict[str, Offer]:
    """The offers, those of models that are rated lower with that in the way."""
    return marked(offers, Obstacle.RATED_LOWER, lambda spec: rating(spec, task) < least)
