"""Models to torture: one a wire, or one a fault, with prices at which rounding shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from orchestrator.registry.providers import PROVIDERS

# provider name -> the simulator's name of the wire that it speaks
WIRES = {"openai": "openai", "anthropic": "anthropic", "google": "google"}
_NANO_PER_TOKEN = 1_000  # at 1 $ per million tokens
_HEAD = "source: invented\nchecked: 2026-11-21\n\nmodels:\n"
_ENTRY = """  {name}:
    provider: {provider}
    context_window: 200_000
    output_limit: 16_000
    levels: [basic, intermediate, advanced, expert]
    scores: {{coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}}
    supports: [streaming]
    tags: [{tags}]
    prices: [{{input: {input}, output: {output}, cache_read: {cache_read}, batch: 0.5}}]
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry that a check writes. Rates are in dollars per million tokens."""

    name: str
    provider: str
    input: Decimal = Decimal("2.0137")
    output: Decimal = Decimal("4.4919")
    cache_read: Decimal = Decimal("0.2001")
    reasons: bool = False

    def cost_nanousd(self, *, input_tokens: int, output_tokens: int, cached_tokens: int) -> int:
        """The bill for what the journal counted, in nano-dollars, rounded up; worked out apart from the program's
        own arithmetic."""
        dollars = (
            self.input * (input_tokens - cached_tokens) + self.cache_read * cached_tokens + self.output * output_tokens
        )
        return int((dollars * _NANO_PER_TOKEN).to_integral_value(ROUND_CEILING))


def one_a_wire() -> dict[str, Model]:
    """`torture-openai`, `torture-anthropic`, `torture-google`; the last two think before they answer, or do not."""
    return {
        f"torture-{provider}": Model(f"torture-{provider}", provider, reasons=provider == "google")
        for provider in WIRES
    }


def write_models(path: Path, models: Iterable[Model]) -> Path:
    """A registry file with these models; gives its path."""
    entries = [
        _ENTRY.format(
            name=model.name,
            provider=model.provider,
            tags="reasoning" if model.reasons else "",
            input=model.input,
            output=model.output,
            cache_read=model.cache_read,
        )
        for model in models
    ]
    path.write_text(_HEAD + "".join(entries), encoding="utf-8")
    return path


def only_provider(environ: Mapping[str, str], provider: str) -> dict[str, str]:
    """The address and key of one provider, out of those of all."""
    info = PROVIDERS[provider]
    return {name: environ[name] for name in (info.base_url_env, info.key_env)}


def billed(entries: Iterable[Mapping[str, object]], models: Mapping[str, Model]) -> int:
    """What journal entries come to, in nano-dollars."""
    return sum(bill_of(entry, models) for entry in entries)


def bill_of(entry: Mapping[str, object], models: Mapping[str, Model]) -> int:
    """What one journal entry comes to, in nano-dollars."""
    counts = {name: int(str(entry[name])) for name in ("input_tokens", "output_tokens", "cached_tokens")}
    return models[str(entry["model"])].cost_nanousd(**counts)
