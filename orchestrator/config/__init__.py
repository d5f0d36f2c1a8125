"""The settings: flags, then the environment, then the user's config file, then what `orch tune` fitted, then defaults.

Nothing is read at import. Files are in the platform's user directories unless they are named. Nothing in the current
directory is read by default: a checked-out repository must not be able to change where a prompt or a key goes.
"""

from .loading import (
    is_simulated,
    ledger_of_other_kind,
    load_settings,
    says_simulated,
    tuned_file,
    user_config_dir,
)
from .options import RunOptions
from .records import (
    BreakerPolicy,
    Complexity,
    Machine,
    RetryKind,
    RetryPolicy,
    Rollout,
    Settings,
    Targets,
    Unfamiliar,
)

__all__ = [
    "BreakerPolicy",
    "Complexity",
    "Machine",
    "RetryKind",
    "RetryPolicy",
    "Rollout",
    "RunOptions",
    "Settings",
    "Targets",
    "Unfamiliar",
    "is_simulated",
    "ledger_of_other_kind",
    "load_settings",
    "says_simulated",
    "tuned_file",
    "user_config_dir",
]
