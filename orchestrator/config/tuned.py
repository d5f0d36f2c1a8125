"""What `orch tune` fitted, and the file that stores it: `tuned.yaml`.

Earlier versions are kept as `tuned.yaml.1`, `tuned.yaml.2` and so on, the newest with the highest number; an empty one
means that there was no file. Each file appears whole or not at all, so an interrupted tuning leaves the old one.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from ..deferred import dataclass, replace
from ..errors import ConfigError, UsageError
from ..files import replacing
from .strict_yaml import Reader, Table, decimal, list_of, mapping_of, read, record, text
from .yaml_files import is_there
from .yaml_value import Value

LEAST_SLOPE = Decimal("0.001")
_CUTS = 3  # between four levels
_FAR = 1_000_000_000
_DIGITS = 6  # that count, of what is written


def logistic(logit: float) -> float:
    """The probability of a logit: 1 / (1 + exp(-logit)), for any finite one."""
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a sum of evidence, a logit, into the probability that an answer is acceptable:

        confidence = 1 / (1 + exp(-(slope * logit + intercept)))

    (Platt, Probabilistic Outputs for Support Vector Machines, 1999.) By default the logit is used as it is.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def confidence(self, logit: float) -> float:
        """The confidence, 0 to 1, for evidence that sums to `logit`."""
        return logistic(self.slope * logit + self.intercept)


class FeatureWeight(NamedTuple):
    """The logits that one unit of a feature's distance from its mean adds, for values from `least` to `most`."""

    feature: str
    weight: float
    mean: float
    least: float
    most: float

    def logit(self, value: float) -> float:
        """The feature's logits. A value outside the fitted range counts as the nearest one inside."""
        return self.weight * (min(max(value, self.least), self.most) - self.mean)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A correction of the complexity score, fitted to a user's own outcomes:

    logit = scale * logit + intercept + the weights of the features
    """

    scale: float = 1.0
    intercept: float = 0.0
    weights: tuple[FeatureWeight, ...] = ()


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was fitted; None was not. `cuts` are the scores from which prompts are intermediate, advanced and expert;
    `scorer` is the user's own scorer that they were fitted for."""

    threshold: float | None = None
    calibration: Calibration | None = None
    cuts: tuple[float, ...] | None = None
    adjustment: Adjustment | None = None
    scorer: str | None = None


def number(minimum: Decimal | int, maximum: int) -> Reader[float]:
    """A reader for a number within bounds."""
    exact = decimal(minimum=minimum, maximum=maximum)
    return lambda value: float(exact(value))


threshold: Reader[float] = number(0, 1)
slope: Reader[float] = number(LEAST_SLOPE, 100)  # positive: more evidence never makes an answer less likely to be good
intercept: Reader[float] = number(-50, 50)


def cuts(value: Value) -> tuple[float, ...]:
    """A reader for the scores between the levels."""
    values = list_of(number(0, 1))(value)
    if len(values) != _CUTS or list(values) != sorted(values):
        raise value.error(f"expected {_CUTS} numbers in rising order")
    return values


def read_tuned(path: Path, keep_in: Path | None = None) -> Tuned:
    """The fitted values in a file. Raises ConfigError if it holds anything else.

    `keep_in` is the cache directory.
    """
    return read(path, record(_tuned), keep_in)


def merged(path: Path, tuned: Tuned) -> Tuned:
    """The newly fitted values, and for the rest the earlier ones."""
    earlier = read_tuned(path) if is_there(path) else Tuned()
    scored = tuned.cuts is not None or tuned.adjustment is not None
    if scored and tuned.scorer != earlier.scorer:  # what was fitted to other scores says nothing of these
        earlier = replace(earlier, cuts=None, adjustment=None)
    return Tuned(
        threshold=earlier.threshold if tuned.threshold is None else tuned.threshold,
        calibration=tuned.calibration or earlier.calibration,
        cuts=tuned.cuts or earlier.cuts,
        adjustment=tuned.adjustment or earlier.adjustment,
        scorer=tuned.scorer if scored else earlier.scorer,
    )


def write_tuned(path: Path, tuned: Tuned, comment: Sequence[str]) -> None:
    """Write the file, and keep the old one. Raises ConfigError if that fails."""
    content = _as_yaml(tuned, comment)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_bytes() if is_there(path) else b""
        _keep(path, before)
        with replacing(path) as stream:
            stream.write(content.encode())
    except (OSError, UsageError) as error:
        raise _unwritable(path, error) from error


def undo(path: Path) -> bool:
    """Restore the file from before the last tuning, byte for byte. Returns whether there is a file now. Repeated calls
    go further back.

    Raises UsageError if there is nothing to undo, and ConfigError if the file cannot be written.
    """
    kept = history(path)
    if not kept:
        raise UsageError(f"there is no tuning to undo beside {path}", hint="orch tune --show says what is in force")
    newest = kept[-1]
    try:
        before = newest.read_bytes()
        if before:
            with replacing(path) as stream:
                stream.write(before)
        else:
            path.unlink(missing_ok=True)
        newest.unlink()
    except (OSError, UsageError) as error:
        raise _unwritable(path, error) from error
    return bool(before)


def history(path: Path) -> list[Path]:
    """The earlier versions, newest last."""
    numbered = {
        int(number): file
        for file in path.parent.glob(f"{path.name}.*")
        if (number := file.name.removeprefix(f"{path.name}.")).isascii() and number.isdigit()
    }
    return [numbered[number] for number in sorted(numbered)]


def _tuned(table: Table) -> Tuned:
    return replace(
        table.optional("complexity", record(_complexity), default=Tuned()),
        threshold=table.optional("threshold", threshold, default=None),
        calibration=table.optional("confidence", record(_calibration), default=None),
    )


def _calibration(table: Table) -> Calibration:
    return Calibration(table.required("slope", slope), table.required("intercept", intercept))


def _complexity(table: Table) -> Tuned:
    return Tuned(
        cuts=table.optional("cuts", cuts, default=None),
        adjustment=table.optional("adjustment", record(_adjustment), default=None),
        scorer=table.optional("scorer", text, default=None),
    )


def _adjustment(table: Table) -> Adjustment:
    weights = table.required("weights", mapping_of(_weight))
    return Adjustment(
        scale=table.required("scale", number(0, 100)),
        intercept=table.required("intercept", number(-_FAR, _FAR)),
        weights=tuple(FeatureWeight(feature, *numbers) for feature, numbers in weights.items()),
    )


def _weight(value: Value) -> tuple[float, float, float, float]:
    numbers = list_of(number(-_FAR, _FAR))(value)
    if len(numbers) != 4:
        raise value.error("expected four numbers: what each unit is worth, the mean, the least and the most")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _as_yaml(tuned: Tuned, comment: Sequence[str]) -> str:
    lines = [f"# {line}".rstrip() for line in comment]
    if tuned.threshold is not None:
        lines.append(f"threshold: {_written(tuned.threshold)}")
    if (calibration := tuned.calibration) is not None:
        lines.append(
            f"confidence: {{slope: {_written(calibration.slope)}, intercept: {_written(calibration.intercept)}}}"
        )
    if tuned.cuts is not None or tuned.adjustment is not None:
        lines.append("complexity:")
    if tuned.scorer is not None:
        lines.append(f"  scorer: {json.dumps(tuned.scorer)}")
    if tuned.cuts is not None:
        lines.append(f"  cuts: [{', '.join(map(_written, tuned.cuts))}]")
    if (adjusted := tuned.adjustment) is not None:
        lines += ["  adjustment:", f"    scale: {_written(adjusted.scale)}"]
        lines += [f"    intercept: {_written(adjusted.intercept)}", "    weights:"]
        lines += [
            f"      {json.dumps(weight.feature)}: [{', '.join(map(_written, weight[1:]))}]"
            for weight in adjusted.weights
        ]
    return "\n".join(lines) + "\n"


def _written(value: float) -> str:
    return f"{Decimal(f'{value + 0.0:.{_DIGITS}g}'):f}"


def _keep(path: Path, before: bytes) -> None:
    """Write the bytes under the next number, without taking one that another process has just taken."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(before)
            stream.flush()
            os.fsync(stream.fileno())
        while True:
            kept = history(path)
            number = int(kept[-1].suffix[1:]) + 1 if kept else 1
            with suppress(FileExistsError):
                _link(Path(name), path.with_name(f"{path.name}.{number}"))
                return
    finally:
        Path(name).unlink()


def _link(source: Path, name: Path) -> None:
    """Link a file under another name. Raises FileExistsError if it is taken: unlike a rename, this replaces nothing."""
    try:
        name.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: there the copy may be seen half written
        with name.open("xb") as copy:
            copy.write(source.read_bytes())


def _unwritable(path: Path, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigError(
        f"{path} cannot be written: {reason}",
        hint="nothing was changed; --config names a config file elsewhere, and --dry-run writes nothing",
    )
