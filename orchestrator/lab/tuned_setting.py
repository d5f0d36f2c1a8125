"""What became of one of the settings that tuning looks at."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any

from ..deferred import dataclass
from .tune.held_out import Change

# Ten events for each parameter that is fitted is the usual least (Peduzzi et al., A simulation study of the number of
# events per variable in logistic regression analysis, Journal of Clinical Epidemiology 49, 1996); the calibration has
# two, and one rule for all is easier to remember.
FEWEST = 20


class Finding(StrEnum):
    """What the data say of a setting."""

    IMPROVED = "improved"  # better on prompts that the fit has not seen, and by more than chance would have it
    NO_IMPROVEMENT = "no_improvement"  # enough to tell, and nothing that can be told
    TOO_LITTLE_DATA = "too_little_data"
    NOT_IN_DATA = "not_in_data"  # what the setting decides on was not recorded


@dataclass(frozen=True, slots=True)
class TunedSetting:
    """One setting: its value in force, the value that was fitted to all of the data (None if there is none), and what
    both come to on held-out prompts. `more_needed` is how many more rated answers would settle it, as far as can be
    told. `in_force` and `fitted` have the values by config key.
    """

    name: str
    finding: Finding
    reason: str
    in_force: dict[str, Any]
    fitted: dict[str, Any] | None = None
    prompts: int = 0
    answers: int = 0
    changes: tuple[Change, ...] = field(default=())
    more_needed: int | None = None
