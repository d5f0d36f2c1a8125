"""What a batch would cost, by the plan of each of its lines. Nothing is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..choose.making import Planned, cost_by_batch, make_plan
from ..config import RunOptions
from ..deferred import dataclass, replace
from ..errors import ConfigError, LedgerError, OrchError
from ..money import format_nanousd
from ..plan import CostRange, models
from ..run.engine import Engine
from ..run.given import options_over
from .lines import Line

if TYPE_CHECKING:
    from .eligible import Ways

_TELL_EVERY = 100  # lines
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ByBatch:
    """That lines go through the providers' batch APIs: those that `ways` decides on, and without it all of them, with
    the models that are `left_out`, by provider and name, and why."""

    ways: Ways | None = None
    left_out: Mapping[tuple[str, str | None], str] = field(default_factory=dict)

    def takes(self, planned: Planned, when: datetime) -> bool:
        """Whether a line goes this way."""
        return self.ways is None or not self.ways.goes_live(planned.plan, when)


@dataclass(slots=True)
class Estimate:
    """The cost of all lines together, in nano-dollars: at least, as expected, at most. `by_batch` counts those that
    go through the providers' batch APIs, at their price. Lines without a known price are `unpriced` and not in it;
    `problems` counts what keeps lines from being asked."""

    lines: int = 0
    minimum_nanousd: int = 0
    expected_nanousd: int = 0
    maximum_nanousd: int = 0
    by_batch: int = 0
    unpriced: int = 0
    failing: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "schema_version": 1,
            "lines": self.lines,
            "minimum_nanousd": self.minimum_nanousd,
            "expected_nanousd": self.expected_nanousd,
            "maximum_nanousd": self.maximum_nanousd,
            "by_batch": self.by_batch,
            "unpriced": self.unpriced,
            "failing": self.failing,
            "first_models": dict(self.by_model.most_common()),
            "problems": dict(self.problems.most_common(20)),
        }

    def said(self) -> list[str]:
        """In words."""
        least, most = format_nanousd(self.minimum_nanousd), format_nanousd(self.maximum_nanousd)
        said = [f"{self.lines:,} lines: {least} to {most}, expected {format_nanousd(self.expected_nanousd)}"]
        said += [f"  {name}: asked first for {number:,}" for name, number in self.by_model.most_common()]
        said += [f"  {self.by_batch:,} go by batch, at its price"] if self.by_batch else []
        said += [f"  {self.unpriced:,} have no known price, and are not in it"] if self.unpriced else []
        said += [f"  {self.failing:,} cannot be asked:"] if self.failing else []
        said += [f"    {number:,}: {problem}" for problem, number in self.problems.most_common(_SHOWN)]
        return said


def estimate_of(
    lines: Iterable[Line],
    engine: Engine,
    options: RunOptions,
    when: datetime,
    tell: Callable[[int], None],
    by_batch: ByBatch | None = None,
) -> Estimate:
    """Plan every line. `tell` hears now and then how many there were. `by_batch`: some may go that way. Raises what
    keeps the input from being read."""
    found, observed = Estimate(), None
    for line in lines:
        found.lines += 1
        if found.lines % _TELL_EVERY == 0:
            tell(found.lines)
        try:
            if line.error is not None:
                raise line.error
            assert line.prompt is not None
            of_line = options_over(options, line.given) if line.given else options
            if observed is None:  # what the ledger has seen is looked up once
                observed = engine.observed(of_line)
                if by_batch is not None:
                    observed = replace(observed, set_aside={**observed.set_aside, **by_batch.left_out})
            planned = make_plan(
                line.prompt,
                of_line,
                registry=engine.registry,
                settings=engine.settings,
                when=when,
                observed=observed,
            )
        except (LedgerError, ConfigError):
            raise
        except OrchError as error:
            found.failing += 1
            found.problems[error.message] += 1
            continue
        cost = planned.cost
        if by_batch is not None and by_batch.takes(planned, when):
            found.by_batch += 1
            cost = cost_by_batch(planned, registry=engine.registry, settings=engine.settings, when=when)
        _count(found, planned, cost)
    return found


def _count(found: Estimate, planned: Planned, cost: CostRange) -> None:
    if cost.maximum is None or cost.expected is None or cost.minimum is None:
        found.unpriced += 1
    else:
        found.minimum_nanousd += cost.minimum
        found.expected_nanousd += cost.expected
        found.maximum_nanousd += cost.maximum
    found.by_model.update(models(planned.plan)[:1])
