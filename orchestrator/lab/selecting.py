"""Which prompts are looked at, and which models: parts by hash, samples by seed, and who is the weak and the strong."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from statistics import fmean

from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..registry.unlisted import split_provider
from ..types import digest_of
from .records import Item

DEVELOPMENT, TEST = "dev", "test"


@dataclass(frozen=True, slots=True)
class Lineup:
    """The models of a bench: the two between which is decided, and all that are looked at, these two included."""

    weak: str
    strong: str
    models: tuple[str, ...]


def parse_split(wanted: str) -> Callable[[str], bool]:
    """Whether a prompt belongs to a part: `dev`, `test`, a share such as `0.5`, or a range such as `0.5:1`.

    It depends on the prompt's SHA-256 alone, so that a prompt is in the same part wherever it is met. The first byte
    parts development (even) from test (odd) prompts; the other bytes, as a fraction of 1, place it in a range. Raises
    UsageError.
    """
    if wanted in (DEVELOPMENT, TEST):
        return lambda prompt: _digest(prompt)[0] % 2 == (wanted == TEST)
    low, colon, high = wanted.rpartition(":")
    try:
        start, end = (float(low) if colon else 0.0), float(high)
    except ValueError:
        start, end = 1.0, 0.0
    if not 0 <= start < end <= 1:
        raise UsageError(
            f"--split takes dev, test, a share such as 0.5 or a range such as 0.5:1, not {wanted[:40]!r}",
            hint="0:0.7 and 0.7:1 have no prompt in common",
        )
    return lambda prompt: start <= _place(prompt) < end


def sample(items: Sequence[Item], size: int | None, seed: int) -> list[Item]:
    """`size` of the items at random, in their order; all if there are no more."""
    if size is None or size >= len(items):
        return list(items)
    chosen = sorted(random.Random(seed).sample(range(len(items)), size))
    return [items[index] for index in chosen]


def choose_models(
    items: Sequence[Item],
    models: Sequence[str],
    weak: str | None,
    strong: str | None,
    rate: Callable[[str], Decimal | None],
    *,
    where: str,
) -> Lineup:
    """Who is weak and who is strong, as named. Else the model with the best mean score is strong, the dearest of those
    that share it, and of the others the cheapest is weak.

    `rate` is what a model costs, by any one measure. With two models none is needed. Raises UsageError where it cannot
    be told, or for a name that is not recorded.
    """
    recorded = list(dict.fromkeys(name for item in items for name in item.outcomes))
    models = [recorded_as(name, recorded, where) for name in models]
    weak = None if weak is None else recorded_as(weak, recorded, where)
    strong = None if strong is None else recorded_as(strong, recorded, where)
    wanted = list(dict.fromkeys(models)) or recorded
    if weak is not None and weak == strong:
        raise UsageError(f"the weak and the strong model are both {weak}", hint="name two different ones")
    strong = strong or _best(items, [name for name in wanted if name != weak], rate)
    others = [name for name in wanted if name != strong]
    if strong is None or not (weak or others):
        raise UsageError(f"{where} has outcomes of one model only: {', '.join(wanted)}", hint="it takes two to compare")
    weak = weak or _cheapest(others, rate)
    if weak is None:
        raise UsageError(
            f"{where} has {len(recorded)} models, and their prices are not known: say which is the weak one",
            hint=f"--weak and --strong take two of: {', '.join(recorded)}",
        )
    named = dict.fromkeys((weak, strong, *models))
    return Lineup(weak, strong, tuple(named))


def recorded_as(name: str, recorded: Collection[str], where: str) -> str:
    """The model of the recorded ones that a name means, with its provider in front or without. Raises UsageError."""
    bare = split_provider(name)[1]
    named = name if name in recorded else next((each for each in recorded if split_provider(each)[1] == bare), None)
    if named is None:
        hint = did_you_mean(name, recorded) or f"there are: {', '.join(recorded)}"
        raise UsageError(f"{where} has no outcomes of {name[:80]!r}", hint=hint)
    return named


def _best(items: Sequence[Item], names: Sequence[str], rate: Callable[[str], Decimal | None]) -> str | None:
    def mean_and_rate(name: str) -> tuple[float, Decimal]:
        return fmean(item.outcomes[name].score for item in items if name in item.outcomes), rate(name) or Decimal(0)

    return max(names, key=mean_and_rate, default=None)


def _cheapest(names: Sequence[str], rate: Callable[[str], Decimal | None]) -> str | None:
    if len(names) == 1:
        return names[0]
    costs = {name: cost for name in names if (cost := rate(name)) is not None}
    return min(costs, key=lambda name: costs[name]) if len(costs) == len(names) else None


def _digest(prompt: str) -> bytes:
    return bytes.fromhex(digest_of(prompt))


def _place(prompt: str) -> float:
    return int.from_bytes(_digest(prompt)[1:8]) / 2**56
