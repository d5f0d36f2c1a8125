"""What Python callers can ask of a run. Written by `scripts/option_docs.py` from the table of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from ..types import Tool


class RunParameters(TypedDict, total=False):
    """None takes the user's setting or the default."""

    chain: str | Sequence[str] | None
    role: str | None
    tier: str | None
    critical: bool | None
    requires: Sequence[str] | None
    routine: bool | None
    models: Sequence[str] | None
    ensemble_size: int | None
    saving: float | None
    confidence_threshold: float | None
    accept: str | None
    verify: str | None
    schema: Mapping[str, Any] | None
    schema_repair: bool | None
    self_check: str | None
    logprobs: bool | None
    task: str | None
    experiment: str | None
    subject: str | None
    tools: Sequence[Tool] | None
    tool_choice: str | None
    max_latency: float | None
    min_quality: float | None
    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: Sequence[str] | None
    effort: str | None
    max_cost: Decimal | float | str | None
    allow_unpriced: bool | None
    count: str | None
    max_tokens: int | None
    max_tokens_total: int | None
    timeout: float | None
    leg_timeout: float | None
    provider_cache: bool | None
    cache: bool | float | str | None
    semantic_cache: Sequence[str] | None
    embedding: str | None
    explain: bool | None
    category: str | None
    tags: Sequence[str] | None
    next_on: Sequence[str] | None
    stop_on: Sequence[str] | None
