"""What recorded models cost: as said on the command line or in a file of prices, else as the registry has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path

from ..confidence.strength import family
from ..config.strict_yaml import mapping_of, read, text
from ..config.yaml_value import Value
from ..deferred import dataclass
from ..errors import UsageError
from ..money import Price, Rates
from ..reading.tokens import estimate_tokens
from ..registry.model import Registry, Scores, names_of
from ..registry.records import MAX_RATE
from ..registry.unlisted import UNLISTED
from ..types import Level, Usage
from .records import Item, RecordedOutcome

Prices = Mapping[str, Rates]  # by the recorded name of the model


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """A model by its recorded name. `price` None is unknown: its costs are unknown too, never 0.

    `levels` are what the registry rates it for; empty if it does not know the model. `scores` are the registry's of the
    model, or of one of its family; None where there is none.
    """

    name: str
    price: Price | None
    levels: tuple[Level, ...] = ()
    scores: Scores | None = None


class TokenSource(StrEnum):
    """Where an outcome's token counts come from, the surest first."""

    RECORDED = "recorded"
    TEXTS = "estimated from the texts"
    EXPECTED = "expected from the prompts"  # the same output for all models and prompts: none of them is known


def recorded_model(name: str, registry: Registry, prices: Prices, when: datetime) -> RecordedModel:
    """A model with its price. One that is priced by the GPU hour counts as unpriced: a replay keeps no GPU busy."""
    spec = registry.find(name)
    levels = () if spec is None else spec.levels
    scores = scores_of(name, registry)
    if name in prices:
        return RecordedModel(name, Price(date.min, "given", when.date(), prices[name]), levels, scores)
    price = None if spec is None else spec.price_at(when)
    return RecordedModel(name, None if price is None or price.rates is None else price, levels, scores)


def scores_of(name: str, registry: Registry) -> Scores | None:
    """The scores of the model with this name, a date or a variant aside."""
    listed = (spec for spec in registry.models.values() if family(name) in map(family, names_of(spec)))
    spec = registry.find(name) or next(listed, None)
    return None if spec is None or UNLISTED in spec.tags else spec.scores


def usage_of(item: Item, outcome: RecordedOutcome, expected_output: int) -> tuple[Usage, TokenSource]:
    """An outcome's tokens: as recorded, else estimated from the texts, else `expected_output` for the answer."""
    source = TokenSource.RECORDED
    read, written = outcome.input_tokens, outcome.output_tokens
    if read is None or written is None:
        source = TokenSource.EXPECTED if written is None and outcome.text is None else TokenSource.TEXTS
    if read is None:
        read = estimate_tokens(item.prompt)
    if written is None:
        written = expected_output if outcome.text is None else estimate_tokens(outcome.text)
    return Usage(read, written), source


def parse_prices(given: Iterable[str]) -> dict[str, Rates]:
    """Prices as `MODEL=INPUT/OUTPUT`, in dollars per million tokens. Raises UsageError."""
    prices: dict[str, Rates] = {}
    for written in given:
        name, _, amounts = written.rpartition("=")
        try:
            prices[name] = _rates(amounts)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(
                f"--price takes MODEL=INPUT/OUTPUT in dollars per million tokens, not {written[:80]!r}",
                hint="for example --price mixtral-8x7b-instruct=0.60/0.60",
            )
    return prices


def read_prices(path: Path) -> dict[str, Rates]:
    """A YAML file of lines `MODEL: INPUT/OUTPUT`, in dollars per million tokens. Raises ConfigError."""

    def rates(value: Value) -> Rates:
        try:
            return _rates(text(value))
        except ValueError:
            raise value.error("expected INPUT/OUTPUT in dollars per million tokens, such as 0.60/0.60") from None

    return read(path, mapping_of(rates))


def _rates(written: str) -> Rates:
    amounts = written.split("/")
    if len(amounts) != 2:
        raise ValueError("not two amounts")
    return Rates(*(_rate(amount) for amount in amounts))


def _rate(written: str) -> Decimal:
    try:
        rate = Decimal(written.strip())
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not rate.is_finite() or not 0 <= rate <= MAX_RATE:
        raise ValueError("not a price")
    return rate
