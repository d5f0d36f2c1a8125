"""The weights file: what was fitted, when, on what, and how well it did on prompts that were left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .data import PAIRS, Outcomes, digest
from .evaluation import Figures
from .model import SEED, fit


def write(path: Path, folder: Path, data: Outcomes, figures: dict[str, Figures], day: str | None) -> None:
    """Fit on every row and write the file, one line a feature list, slope or tree.

    The day is that of the file that is there, if it was fitted on the same data: fitting again changes nothing.
    """
    document = fit(data, np.ones(len(data.sets), dtype=bool))
    fitted_on = digest(folder)
    head = {
        "about": "Weights of the complexity score, written by scripts/fit_complexity.py. In logits.",
        "date": day or _day_of(path, fitted_on) or datetime.now(UTC).date().isoformat(),
        "data": {
            "sha256": fitted_on,
            "sets": {
                name: {"prompts": int(data.of(name).sum()), "weak": weak, "strong": strong}
                for name, (weak, strong) in PAIRS.items()
            },
        },
        "seed": SEED,
        "held_out": {name: found.as_dict() for name, found in figures.items()},
    }
    features = f' "features":{_compact(document["features"])}'
    families = _joined(f'"{name}":{{{_family(fitted)}}}' for name, fitted in document["families"].items())
    text = ",\n".join([json.dumps(head, indent=1)[:-2], features, f' "families":{{\n{families}}}'])
    path.write_text(f"{text}\n}}\n", "utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes")


def _family(fitted: dict[str, Any]) -> str:
    numbers = f'"baseline":{fitted["baseline"]},"prior":{fitted["prior"]}'
    parts = [f'"{part}":[\n{_joined(map(_compact, fitted[part]))}]' for part in ("slopes", "trees")]
    return ",".join([numbers, *parts])


def _joined(parts: Iterable[str]) -> str:
    return ",\n".join(parts)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _day_of(path: Path, fitted_on: str) -> str | None:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return str(document["date"]) if document.get("data", {}).get("sha256") == fitted_on else None
