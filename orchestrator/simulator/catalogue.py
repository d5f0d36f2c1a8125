"""The models that the simulator plays, and how much of each one's allowance is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from ..registry.model import ModelSpec
from ..registry.providers import wire as wire_of
from .wires.base import Limits

_MINUTE_S, _DAY_S = 60, 86_400


class Catalogue:
    """The models that the simulator serves. `more` are models by PROVIDER/ID that it knows without listing them."""

    def __init__(self, models: Iterable[ModelSpec], more: Mapping[str, ModelSpec] = MappingProxyType({})) -> None:
        self._models = tuple(models)
        self._more = more

    def find(self, model_id: str, *, wire: str, provider: str, certain: bool) -> ModelSpec | None:
        """The model that a provider knows by this id. Where the provider is not certain, the first that has it."""
        candidates = [spec for spec in self.served(wire) if spec.id == model_id]
        own = [spec for spec in candidates if spec.provider == provider]
        found = own or ([] if certain else candidates)
        return found[0] if found else self._more.get(f"{provider}/{model_id}")

    def served(self, wire: str, provider: str = "") -> list[ModelSpec]:
        """The models reached over a wire, of one provider or of all."""
        spoken = [spec for spec in self._models if wire_of(spec.provider) == wire]
        return [spec for spec in spoken if provider in ("", spec.provider)]


class Meter:
    """Counts requests and tokens in whole minutes and days, for the headers that tell what is left."""

    def __init__(self) -> None:
        self._used: Counter[tuple[str, str, int]] = Counter()

    def take(self, spec: ModelSpec, tokens: int, now: datetime) -> Limits:
        """Count one request of so many tokens. Returns what is left after it; nothing is ever refused here."""
        seconds = now.timestamp()
        minute, day = int(seconds // _MINUTE_S), int(seconds // _DAY_S)
        key = f"{spec.provider}/{spec.id}"
        self._used[key, "requests", minute] += 1
        self._used[key, "tokens", minute] += tokens
        self._used[key, "day", day] += 1
        limits = spec.limits
        return Limits(
            requests=limits.rpm,
            requests_left=self._left(limits.rpm, (key, "requests", minute)),
            tokens=limits.tpm,
            tokens_left=self._left(limits.tpm, (key, "tokens", minute)),
            requests_per_day=limits.rpd,
            requests_left_today=self._left(limits.rpd, (key, "day", day)),
            resets_in_s=_MINUTE_S - seconds % _MINUTE_S,
        )

    def _left(self, limit: int | None, key: tuple[str, str, int]) -> int | None:
        return None if limit is None else max(0, limit - self._used[key])
