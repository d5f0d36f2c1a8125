"""The settings that `orch tune` can change: what they are, and which of the layers they come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config import Settings
from ...config.tuned import Tuned, read_tuned
from ...config.yaml_files import is_there, read_document
from ...deferred import dataclass, replace
from ...lab.tune.tuning_weights import as_settings
from ...reading.complexity import CUTS

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """A config key with its value in force, and the file that it comes from, or `default`."""

    key: str
    value: Any
    source: str


def in_force(settings: Settings) -> list[Setting]:
    """Every setting that can be tuned. Raises ConfigError for a file that cannot be read."""
    tuned = Tuned()
    if is_there(settings.tuned_file):
        tuned = read_tuned(settings.tuned_file)
        if tuned.scorer != settings.complexity.scorer:  # what was tuned to other scores is not in force
            tuned = replace(tuned, cuts=None, adjustment=None)
    fitted = set_by(tuned)
    chosen = _chosen_by_the_user(settings)

    def source(key: str) -> str:
        if key in chosen:
            return str(settings.config_file)
        return str(settings.tuned_file) if key in fitted else DEFAULT

    return [Setting(key, value, source(key)) for key, value in values(settings).items()]


def values(settings: Settings) -> dict[str, Any]:
    """The settings that tuning can change, as JSON."""
    calibration, adjustment = settings.calibration, settings.complexity.adjustment
    return {
        "confidence": {"slope": calibration.slope, "intercept": calibration.intercept},
        "threshold": settings.run.threshold,
        "complexity.cuts": list(settings.complexity.cuts or CUTS),
        "complexity.adjustment": None if adjustment is None else as_settings(adjustment),
    }


def set_by(tuned: Tuned) -> set[str]:
    """The keys that were tuned."""
    given: Mapping[str, object] = {
        "confidence": tuned.calibration,
        "threshold": tuned.threshold,
        "complexity.cuts": tuned.cuts,
        "complexity.adjustment": tuned.adjustment,
    }
    return {key for key, value in given.items() if value is not None}


def overridden(settings: Settings, tuned: Tuned) -> list[str]:
    """The tuned keys that the user's config file has too: what stands there comes first."""
    return sorted(set_by(tuned) & _chosen_by_the_user(settings))


def _chosen_by_the_user(settings: Settings) -> set[str]:
    if settings.config_file is None:
        return set()
    content = _content(settings.config_file)
    inner = content.get("complexity")
    keys = {key for key in ("confidence", "threshold") if key in content}
    return keys | ({"complexity.cuts"} if inner is not None and "cuts" in inner.content else set())


def _content(path: Path) -> Mapping[str, Any]:
    content = read_document(path).content
    return content if isinstance(content, dict) else {}
