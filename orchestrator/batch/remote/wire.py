"""What goes to workers and comes back. No record here has a key in it: workers have their own, in their environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from platformdirs import PlatformDirs

from ...config import RunOptions, Settings
from ...config.loading import APP
from ...deferred import dataclass, replace
from ...errors import AuthenticationError, ConfigError, OrchError, UsageError
from ...ledger.batches import Job, Kept
from ...ledger.budgets import Budget
from ...ledger.returned import ReturnedRun
from ...registry.model import RateLimits
from ..backend import Attempt
from ..lines import Line

_FILES = ("models", "chains", "routing")


@dataclass(frozen=True, slots=True)
class About:
    """A worker's process: its ledger's schema, its machine, and the providers that it has a key for."""

    schema: int
    host: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineCost:
    """What any line that a worker has planned could cost, in nano-dollars: at most; under the cap that it gets where
    money is short; and what it needs to come to anything."""

    worst: int = 0
    usual: int = 0
    needed: int = 0

    def or_more(self, other: LineCost) -> LineCost:
        """The higher of each."""
        return LineCost(max(self.worst, other.worst), max(self.usual, other.usual), max(self.needed, other.needed))


@dataclass(frozen=True, slots=True)
class Hello:
    """What a worker needs to know of a job. `settings` have no environment, and name files by their contents in
    `files`. `concurrency` and `deadline_s` are the worker's own. `probe`: a line that it plans, to see whether it
    can."""

    lease_id: str
    job: Job
    settings: Settings
    files: Mapping[str, str]
    options: RunOptions
    concurrency: int | None
    deadline_s: float | None
    full: bool
    probe: Line | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a lease allows now, in all since it was taken. Of two grants, the one with the higher number holds.

    `whole`: it holds what all lines may cost at most, so that no cap shortens an answer; otherwise money is short.
    """

    number: int
    whole: bool
    limits: tuple[Budget, ...]
    shares: Mapping[str, RateLimits]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines for the worker that has the lease, and for no other: not even for one that takes its place."""

    lease_id: str
    number: int
    grant: Grant
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error, as it goes over the wire."""

    code: str
    exit_code: int
    message: str
    hint: str | None

    @classmethod
    def of(cls, error: OrchError) -> Trouble:
        """The record of an error."""
        return cls(error.code, error.exit_code, error.message, error.hint)

    def as_error(self, worker: str) -> OrchError:
        """The error, of a worker."""
        message = f"worker {worker}: {self.message}"
        if self.exit_code == AuthenticationError.exit_code:
            hint = "set the key in the environment of the worker: keys never go through the scheduler"
            return AuthenticationError(message, provider=None, hint=hint)
        for kind in (UsageError, ConfigError):
            if self.exit_code == kind.exit_code:
                return kind(message, hint=self.hint)
        return OrchError(message, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a worker knows of some lines: what came of them, the rows of their runs, and why others were not asked.

    `limit`: how many lines it has in flight at a time now. `cost`: what any line so far could have cost.
    """

    kept: tuple[Kept, ...] = ()
    runs: tuple[ReturnedRun, ...] = ()
    unasked: Mapping[int, Trouble] = field(default_factory=dict)
    limit: int = 1
    cost: LineCost = LineCost()
    waits_for: str | None = None


def without_environment(settings: Settings) -> tuple[Settings, dict[str, str]]:
    """Settings as they go to workers: without keys and paths of this machine, with the contents of the files that they
    name. Raises ConfigError."""
    files = {}
    for name in _FILES:
        named: Path | None = getattr(settings, f"{name}_file")
        path = settings.config_dir / f"{name}.yaml" if named is None else named
        if named is not None or path.exists():
            files[name] = _text(path)
    if settings.scenario is not None:
        files["scenario"] = _text(settings.scenario)
    nowhere = Path("nowhere")
    bare = replace(
        settings,
        environ={},
        ledger=nowhere,
        config_dir=nowhere,
        tuned_file=nowhere,
        config_file=None,
        parsed_dir=None,
        charts_dir=None,
        models_file=None,
        chains_file=None,
        routing_file=None,
        scenario=None,
        on_alert=None,
    )
    return bare, files


def with_environment(
    settings: Settings, files: Mapping[str, str], environ: Mapping[str, str], folder: Path, ledger: Path
) -> Settings:
    """Settings as a worker has them: its own environment, and the files in a folder of its own."""
    named: dict[str, Path] = {}
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        named["scenario" if name == "scenario" else f"{name}_file"] = path
    bare = replace(settings, environ=environ, ledger=ledger, config_dir=folder, tuned_file=folder / "tuned.yaml")
    parsed = PlatformDirs(APP, appauthor=False).user_cache_path / "parsed"
    return replace(bare, parsed_dir=parsed, **named)  # type: ignore[arg-type]  # all of them are paths


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
