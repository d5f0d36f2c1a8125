"""How well a model is rated for a kind of task, by its scores in the registry."""

from __future__ import annotations

from collections.abc import Mapping

from ..registry.model import ModelSpec
from ..types import Task
from .base import Obstacle, Offer, marked

_BY_CODING = frozenset({Task.CODE, Task.DEBUGGING})


def rating(spec: ModelSpec, task: str) -> float:
    """A model's score for a kind of task, 0 to 1: the coding score for code, otherwise the reasoning score."""
    return spec.scores.coding if task in _BY_CODING else spec.scores.reasoning


def rated_from(least: float, offers: Mapping[str, Offer], task: str) -> dict[str, Offer]:
    """The offers, with an obstacle for models that are rated below the given score."""
    return marked(offers, Obstacle.RATED_LOWER, lambda spec: rating(spec, task) < least)
