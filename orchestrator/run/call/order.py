"""What a run asks of a call, and a call that is ready to be made."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING

from ...config import RunOptions
from ...deferred import dataclass
from ...ledger.records import CallRecord
from ...plan.load import Load
from ...registry.model import ModelSpec
from ...types import Request
from ..events import Observer
from .allowance import CostShare, TokenBudget
from .patience import ENDLESS, Patience
from .settlement import Terms

if TYPE_CHECKING:
    from .by_batch import ByBatch
    from .cache import RunCache


@dataclass(frozen=True)
class Order:
    """What a run asks of a call.

    `load`: the size of what is sent. `deadline`: seconds on the monotonic clock. `free_tier`: the providers whose free
    tier the user is on. `portion`: the part of what cap and budgets leave that this call may reserve when several calls
    run at the same time. `shares`: the cost shares of the nodes that the call belongs to. `token_budget`: the run's;
    `allowance_tokens`: the part of it that this call may take. `final`: its reply, if one comes, is the run's answer;
    `answers`: it may be; `shown`: nothing can replace the reply once it has begun, so its pieces are the answer's.
    `logprobs`: ask the provider for token probabilities. `environ`: the environment of the user's own commands.
    `spare`: the run can go on if this call fails; then its answer must begin by `begin_by` (monotonic clock).
    `patience`: the time limits of one call that follow from these.

    `cache`: the run's response cache, if it uses one. `place`: that of the call among members of panels that may ask
    the same. `fresh` collects the keys of the answers that the node has come by, as long as they are accepted.
    `by_batch`: the run's calls go through the providers' batch APIs.
    """

    run_id: str
    options: RunOptions
    load: Load
    deadline: float
    simulated: bool
    log_text: bool
    observe: Observer
    environ: Mapping[str, str] = field(default_factory=dict)
    free_tier: Collection[str] = ()
    portion: Fraction = Fraction(1)
    shares: tuple[CostShare, ...] = ()
    token_budget: TokenBudget | None = None
    allowance_tokens: int | None = None
    final: bool = False
    answers: bool = False
    shown: bool = False
    logprobs: bool = False
    spare: bool = False
    begin_by: float = math.inf
    patience: Patience = ENDLESS
    cache: RunCache | None = None
    place: tuple[int, ...] = ()
    fresh: dict[str, str] = field(default_factory=dict)
    by_batch: ByBatch | None = None

    @property
    def waits_until(self) -> float:
        """The latest time for waiting in line and for retries, on the monotonic clock."""
        return min(self.deadline, self.patience.until)


@dataclass(frozen=True, slots=True)
class Draft:
    """A call that is ready to be reserved and sent. Budgets do not apply to an `exempt` one. `key`: that of the request
    in the response cache, if the run uses one."""

    spec: ModelSpec
    request: Request
    record: CallRecord
    terms: Terms
    exempt: bool
    shares: tuple[CostShare, ...] = ()
    token_budget: TokenBudget | None = None
    key: str | None = None

    @property
    def tokens(self) -> int:
        """The most tokens that it is expected to take: estimated input plus output limit."""
        return self.terms.load.input_tokens + self.request.max_tokens
