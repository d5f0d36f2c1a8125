"""Loads the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platformdirs import PlatformDirs

from ..deferred import replace
from ..errors import ConfigError
from .config_file import chosen, config_onto
from .records import Complexity, Settings
from .strict_yaml import read, record
from .tuned import Tuned, read_tuned
from .yaml_files import is_there

APP = "orch"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def user_config_dir() -> Path:
    """The directory of the user's config.yaml, models.yaml and chains.yaml."""
    return PlatformDirs(APP, appauthor=False).user_config_path


def load_settings(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    ledger: Path | None = None,
    models_file: Path | None = None,
    chains_file: Path | None = None,
    routing_file: Path | None = None,
    simulate: bool | None = None,
    scenario: Path | None = None,
) -> Settings:
    """The settings, from these flags and everything below them. Raises ConfigError."""
    dirs = PlatformDirs(APP, appauthor=False)
    simulated = is_simulated(environ) if simulate is None else simulate
    named_config = config or _path(environ, "ORCH_CONFIG")
    config_dir = user_config_dir()
    user_config = config_dir / "config.yaml"
    tuned = tuned_file(environ, config=config, simulate=simulated)
    settings = Settings(
        environ=environ,
        ledger=ledger or _path(environ, "ORCH_LEDGER") or _usual_ledger(simulated=simulated),
        config_dir=config_dir,
        config_file=named_config or (user_config if is_there(user_config) else None),
        tuned_file=tuned,
        parsed_dir=dirs.user_cache_path / "parsed",
        charts_dir=dirs.user_cache_path / "charts",
        models_file=models_file or _path(environ, "ORCH_MODELS"),
        chains_file=chains_file or _path(environ, "ORCH_CHAINS"),
        routing_file=routing_file or _path(environ, "ORCH_ROUTING"),
        simulate=simulated,
        scenario=scenario or _path(environ, "ORCH_SCENARIO"),
    )
    if is_there(tuned):
        settings = _tuned_onto(settings, read_tuned(tuned, settings.parsed_dir))
    if settings.config_file is not None:
        settings = read(settings.config_file, record(config_onto(settings)), settings.parsed_dir)
    else:
        settings = replace(settings, complexity=chosen(Complexity(), settings.complexity))
    return replace(settings, log_text=_switch(environ, "ORCH_LOG_TEXT", default=settings.log_text))


def ledger_of_other_kind(settings: Settings) -> Path:
    """Where simulated runs are if these settings are for real ones, and the other way round: a ledger that is named has
    both."""
    if settings.ledger != _usual_ledger(simulated=settings.simulate):
        return settings.ledger
    return _usual_ledger(simulated=not settings.simulate)


def _usual_ledger(*, simulated: bool) -> Path:
    name = "ledger-simulated.db" if simulated else "ledger.db"
    return PlatformDirs(APP, appauthor=False).user_data_path / name


def is_simulated(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for the simulator. Raises ConfigError."""
    return _switch(environ, "ORCH_SIMULATE", default=False)


def says_simulated(environ: Mapping[str, str], *, flag: bool) -> bool:
    """As `is_simulated`, for a run that is refused: a variable that cannot be read counts as no."""
    try:
        return flag or is_simulated(environ)
    except ConfigError:  # whoever needs to know says what is wrong with it
        return False


def tuned_file(environ: Mapping[str, str], *, config: Path | None, simulate: bool) -> Path:
    """The file that `orch tune` writes, beside the config file in use. Simulated runs have one of their own."""
    named = config or _path(environ, "ORCH_CONFIG")
    folder = user_config_dir() if named is None else named.parent
    return folder / ("tuned-simulated.yaml" if simulate else "tuned.yaml")


def _tuned_onto(settings: Settings, tuned: Tuned) -> Settings:
    run = settings.run if tuned.threshold is None else replace(settings.run, threshold=tuned.threshold)
    return replace(
        settings,
        run=run,
        calibration=tuned.calibration or settings.calibration,
        complexity=Complexity(tuned.cuts, tuned.scorer, tuned.adjustment),
    )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]).expanduser() if environ.get(name) else None


def _switch(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    word = environ.get(name)
    if not word:
        return default
    if word.strip().lower() in _TRUE:
        return True
    if word.strip().lower() in _FALSE:
        return False
    raise ConfigError(f"{name}={word!r}: expected 1 or 0")
