"""The weights file: what was fitted, when, on what, and how well it did on prompts that were left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .data import UNFITTED_TASKS, Floats, Outcomes, digest, recorded_kinds, spreads
from .evaluation import FITTED, Figures
from .model import SEED, fit
from .pairs import PAIRS


def text_of(
    path: Path, folder: Path, data: Outcomes, held_out: Floats, figures: dict[str, Figures], day: str | None
) -> str:
    """Fit on every row but those that are left out, and say what the file has: one line a kind, form, slope or tree.

    `held_out` has the logits of each row by a fit that did not see it: how scores are spread is how those of other
    prompts will be. The day is that of the file that is there, if it was fitted on the same data: fitting again changes
    nothing.
    """
    document = fit(data, data.fitted)
    score = 1 / (1 + np.exp(-held_out))
    fitted_on = digest(folder)
    head = {
        "about": "Weights of the complexity score, written by scripts/fit_complexity.py. In logits.",
        "date": day or _day_of(path, fitted_on) or datetime.now(UTC).date().isoformat(),
        "data": {
            "sha256": fitted_on,
            "sets": {
                name: {"prompts": int((data.of(name) & data.fitted).sum()), "weak": weak, "strong": strong}
                for name in FITTED
                for weak, strong in [PAIRS[name]]
            },
            "left_out": list(UNFITTED_TASKS),
        },
        "seed": SEED,
        "held_out": {name: found.as_dict() for name, found in figures.items()},
    }
    features = f' "features":{_compact(document["features"])}'
    families = _joined(f'"{name}":{{{_family(fitted)}}}' for name, fitted in document["families"].items())
    spread = _joined(f'"{form}":{_compact(scores)}' for form, scores in spreads(score, data, data.fitted).items())
    kinds = _joined(map(_compact, recorded_kinds(data, data.fitted)))
    parts = [f' "kinds":[\n{kinds}]', f' "spreads":{{\n{spread}}}', features, f' "families":{{\n{families}}}']
    text = ",\n".join([json.dumps(head, indent=1)[:-2], *parts])
    return f"{text}\n}}\n"


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
