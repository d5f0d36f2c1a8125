"""Writes what follows from the table of options: docs/options.md, and the parameters of the Python interface in
orchestrator/config/parameters.py. `--check` only says whether both are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.config import RunOptions
from orchestrator.config.options import OPTIONS, Kind, Option

ROOT = Path(__file__).resolve().parents[1]
_TYPES = {
    Kind.TEXT: "str",
    Kind.CHAIN: "str | Sequence[str]",
    Kind.NAMES: "Sequence[str]",
    Kind.TEXTS: "Sequence[str]",
    Kind.NUMBER: "float",
    Kind.INTEGER: "int",
    Kind.DOLLARS: "Decimal | float | str",
    Kind.SWITCH: "bool",
    Kind.YES_NO: "bool",
    Kind.SCHEMA: "Mapping[str, Any]",
    Kind.TOOLS: "Sequence[Tool]",
    Kind.AGE: "bool | float | str",
}
_MODULE = '''"""What Python callers can ask of a run. Written by `scripts/option_docs.py` from the table of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from ..types import Tool


class RunParameters(TypedDict, total=False):
    """None takes the user's setting or the default."""

'''
_PAGE = """# Options of a run

Every option of `orch run` and `orch plan` that decides on the run, with its flag, its key in
[config.yaml](configuration.md#configyaml) and its parameter of `orchestrate` in Python. Written by
`scripts/option_docs.py` from the one table in `orchestrator/config/options.py`; a test holds it against that.

An option that you give, by flag or by parameter, and that the strategy makes no use of is an error (exit 2) that says
which strategies take it; so are two that contradict each other. What stands in config.yaml is a default, and never one.
Of an experiment every arm must take it. A task table and `capability` take `--critical` where a condition of theirs
asks for it. A named plan, a chain or a tier takes `--threshold` where it leaves that open, `--logprobs` where it is a
cascade, `--self-check` and `--accept` where that has two models or more, and `--accept` where it does not say itself
that answers must agree. An ensemble takes `--allow-unpriced` with `--models`. With a
[rollout](tiers.md#a-local-model-step-by-step), `tiers`, `cheapest` and `fallback` also take `--threshold`, `--subject`,
`--critical`, `--requires` and `--routine`.

Without `-s`, an option that only one strategy takes implies it: `--experiment` experiment; `--models` and
`--ensemble-size` ensemble; `--tier`, `--critical`, `--requires` and `--routine` tiers; `--chain` fallback. With
`-s fallback`, `--models a,b` is the chain `a,b`. In Python the strategy is `fallback` unless it is given.

| flag | config | Python | type | default | taken by | |
|---|---|---|---|---|---|---|
"""


def main(argv: list[str]) -> int:
    wanted = {
        ROOT / "docs" / "options.md": _PAGE + "".join(map(_row, OPTIONS)),
        ROOT / "orchestrator" / "config" / "parameters.py": _MODULE + "".join(map(_parameter, OPTIONS.values())),
    }
    if "--check" in argv:
        return 0 if all(path.read_text(encoding="utf-8") == text for path, text in wanted.items()) else 1
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _parameter(option: Option) -> str:
    return f"    {option.python_name}: {_TYPES[option.kind]} | None\n" if option.python_name else ""


def _row(name: str) -> str:
    option = OPTIONS[name]
    flags = ", ".join(f"`{flag}`" for flag in (option.flag_name, option.short) if flag)
    names = (option.name if option.config else "", option.python_name)
    cells = [flags, *(f"`{each}`" if each else "" for each in names), _type(option)]
    cells += [_default(option, getattr(RunOptions(), name)), ", ".join(option.takers) or "all", option.help]
    return f"| {' | '.join(cells)} |\n"


def _type(option: Option) -> str:
    if option.choices is not None:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.kind is Kind.SWITCH:
        return "`true`, `false`"
    if option.least is None or option.kind is Kind.DOLLARS:
        return option.kind.value
    bounds = f" ≥ {option.least:g}" if option.most == float("inf") else f", {option.least:g} to {option.most:,.10g}"
    return f"{option.kind}{bounds}"


def _default(option: Option, value: object) -> str:
    if option.shown is not None:
        return option.shown
    if value in (None, (), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
