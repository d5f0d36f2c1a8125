"""Reads routing.yaml into the routers' rules. docs/routing.md describes the format.

round_robin: [MODEL, ...]
capability: {weights: {coding: ..., ...}, cost: {weight: ..., per: ..., output_share: ...}, scores: {MODEL: ...}}
tables: {NAME: {description: ..., free_first: ..., rows: [...]}}
experiments: {NAME: {description: ..., arms: {...}, split: {...}, from: ..., until: ...}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TypeVar

from ..config.strict_yaml import Table, boolean, day, decimal, integer, list_of, mapping_of, one_of, record, text
from ..config.yaml_value import Value
from ..errors import did_you_mean
from ..expressions import expression
from ..types import Level, Task
from .model import Scores
from .records import MAX_TOKENS
from .routes import Arm, Condition, Experiment, Fit, Routing, TaskRow, TaskTable, Weight

T = TypeVar("T")

_NAME = expression(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SCORES = tuple(score.name for score in fields(Scores))
_MOST_WEIGHT = 1_000


class RoutingReader:
    """Reads routing.yaml. `models` maps every name and alias to the model's name; `chains` are the names of plans,
    `taken` the names that a table cannot have. Raises ConfigError."""

    def __init__(self, models: Mapping[str, str], chains: Collection[str], taken: Collection[str]) -> None:
        self._models = models
        self._chains = chains
        self._taken = taken

    def over(self, lower: Routing, document: Value) -> Routing:
        """A document's rules over those of an earlier one: tables and experiments by name, the others as a whole."""

        def build(table: Table) -> Routing:
            return Routing(
                round_robin=table.optional("round_robin", self._ring, lower.round_robin),
                fit=table.optional("capability", record(self._fit), lower.fit),
                tables=_over(lower.tables, table.optional("tables", mapping_of(self._table), {})),
                experiments=_over(lower.experiments, table.optional("experiments", mapping_of(self._experiment), {})),
            )

        return record(build)(document)

    def _ring(self, value: Value) -> tuple[str, ...]:
        """Models that take turns, each once: a model cannot stand in for itself."""
        models = list_of(self._model, at_least=1)(value)
        assert isinstance(value.content, tuple)
        for place, name in enumerate(models):
            if name in models[:place]:
                raise value.content[place].error(f"{name} has its turn already")
        return models

    def _model(self, value: Value) -> str:
        return self._models[_known("model", self._models, value)]

    # -- capability ----------------------------------------------------------------------------------------------

    def _fit(self, table: Table) -> Fit:
        weight, per, output_share = table.required("cost", record(_cost))
        return Fit(
            weights=table.required("weights", record(_weights)),
            cost_weight=weight,
            cost_per=per,
            output_share=output_share,
            scores=table.optional("scores", self._scores, {}),
        )

    def _scores(self, value: Value) -> dict[str, Mapping[str, float]]:
        def of(table: Table) -> dict[str, float]:
            scores = {name: table.optional(name, _fraction, None) for name in _SCORES}
            return {name: score for name, score in scores.items() if score is not None}

        scores_of = mapping_of(record(of))(value)
        assert isinstance(value.content, dict)
        for name, entry in value.content.items():
            if name not in self._models:
                raise entry.error(_unknown("model", name, self._models))
        return {self._models[name]: scores for name, scores in scores_of.items()}

    # -- tables --------------------------------------------------------------------------------------------------

    def _table(self, value: Value) -> TaskTable:
        name = _name_of(value)
        if name in self._taken:
            raise value.error("there is a strategy or a chain of this name")

        def build(table: Table) -> TaskTable:
            return TaskTable(
                name,
                table.required("rows", self._rows),
                table.optional("free_first", boolean, False),
                _words_of(table.optional("description", text, None)),
            )

        return record(build)(value)

    def _rows(self, value: Value) -> tuple[TaskRow, ...]:
        rows = list_of(record(self._row), at_least=1)(value)
        assert isinstance(value.content, tuple)
        seen: set[str] = set()
        for row, place in zip(rows, value.content, strict=True):
            if row.name in seen:
                raise place.error(f"there is a row '{row.name}' already")
            if row.when is None and row is not rows[-1]:
                raise place.error("takes every prompt, so that no later row counts: give it a 'when', or put it last")
            seen.add(row.name)
        if rows[-1].when is not None:
            raise value.content[-1].error("the last row takes what no other does: leave out its 'when'")
        return rows

    def _row(self, table: Table) -> TaskRow:
        name = table.required("name", _name)
        primary = table.required("primary", self._model)
        fallback = table.optional("fallback", self._one_or_more, ())
        return TaskRow(
            name=name,
            models=tuple(dict.fromkeys((primary, *fallback))),
            when=table.optional("when", _condition, None),
            kind=table.optional("kind", _name, None),
            reason=_words_of(table.optional("reason", text, None)),
        )

    def _one_or_more(self, value: Value) -> tuple[str, ...]:
        return list_of(self._model)(value) if isinstance(value.content, tuple) else (self._model(value),)

    # -- experiments ---------------------------------------------------------------------------------------------

    def _experiment(self, value: Value) -> Experiment:
        name = _name_of(value)

        def build(table: Table) -> Experiment:
            targets = table.required("arms", mapping_of(self._target))
            if len(targets) < 2:
                raise table.value.error("an experiment compares two arms or more")
            shares = table.optional("split", lambda split: _split(split, targets), None)
            equal = 1 / len(targets)
            arms = tuple(
                Arm(arm, equal if shares is None else shares[arm], **{kind: target})
                for arm, (kind, target) in targets.items()
            )
            start, end = table.optional("from", day, None), table.optional("until", day, None)
            if start is not None and end is not None and end < start:
                raise table.value.error(f"ends on {end}, before it starts on {start}")
            return Experiment(name, arms, start, end, _words_of(table.optional("description", text, None)))

        return record(build)(value)

    def _target(self, value: Value) -> tuple[str, str]:
        """What an arm answers with: which of the three kinds, and its name."""
        _name_of(value)

        def build(table: Table) -> tuple[str, str]:
            readers = {"model": self._model, "chain": lambda v: _known("chain", self._chains, v), "strategy": text}
            targets = {key: name for key, read in readers.items() if (name := table.optional(key, read, None))}
            if len(targets) != 1:
                raise table.value.error("an arm has one of model, chain and strategy")
            return next(iter(targets.items()))

        return record(build)(value)


def _split(value: Value, arms: Collection[str]) -> dict[str, float]:
    def build(table: Table) -> dict[str, Decimal]:
        return {arm: table.required(arm, _share) for arm in arms}

    shares = record(build)(value)
    if sum(shares.values()) != 1:
        raise value.error(f"the shares sum to {sum(shares.values())}, not to 1")
    return {arm: float(share) for arm, share in shares.items()}


def _share(value: Value) -> Decimal:
    share = decimal(minimum=0, maximum=1)(value)
    if not share:
        raise value.error("must be more than 0")
    return share


def _weights(table: Table) -> dict[str, Weight]:
    weight_of = {name: table.optional(name, _weight, None) for name in _SCORES}
    weights = {name: weight for name, weight in weight_of.items() if weight is not None}
    if not weights:
        raise table.value.error(f"weighs nothing; expected some of {', '.join(_SCORES)}")
    return weights


def _weight(value: Value) -> Weight:
    """A number, or `usual` with the value it is `raised` to and `when`."""
    if not isinstance(value.content, dict):
        number = _amount(value)
        return Weight(number, number, Condition())
    return record(
        lambda table: Weight(
            table.required("usual", _amount), table.required("raised", _amount), table.required("when", _condition)
        )
    )(value)


def _cost(table: Table) -> tuple[float, float, float]:
    weight = table.required("weight", _amount)
    per = table.required("per", _positive)
    return weight, per, table.required("output_share", _fraction)


def _condition(value: Value) -> Condition:
    def build(table: Table) -> Condition:
        return Condition(
            tasks=frozenset(str(task) for task in table.optional("tasks", list_of(one_of(Task), at_least=1), ())),
            levels=frozenset(table.optional("levels", list_of(one_of(Level), at_least=1), ())),
            from_tokens=table.optional("from_tokens", integer(minimum=1, maximum=MAX_TOKENS), 0),
            words=table.optional("words", list_of(text, at_least=1), ()),
            from_difficulty=table.optional("from_difficulty", _fraction, 0.0),
            critical=table.optional("critical", boolean, False),
            latency_below=table.optional("latency_below", _positive, None),
        )

    condition = record(build)(value)
    if condition == Condition():
        raise value.error(f"says nothing; expected some of {', '.join(field.name for field in fields(Condition))}")
    return condition


def _name_of(value: Value) -> str:
    if not _NAME.fullmatch(value.key):
        raise value.error("a name is a letter, then letters, digits, - and _")
    return value.key


def _name(value: Value) -> str:
    name = text(value)
    if not _NAME.fullmatch(name):
        raise value.error("a name is a letter, then letters, digits, - and _")
    return name


def _known(what: str, names: Collection[str], value: Value) -> str:
    name = text(value)
    if name not in names:
        raise value.error(_unknown(what, name, names))
    return name


def _unknown(what: str, name: str, names: Collection[str]) -> str:
    suggestion = did_you_mean(name, names)
    return f"there is no {what} named '{name}'" + (f" ({suggestion})" if suggestion else "")


def _words_of(written: str | None) -> str | None:
    return None if written is None else " ".join(written.split())


def _over(lower: Mapping[str, T], upper: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in lower.items() if name not in upper} | dict(upper)


def _amount(value: Value) -> float:
    return float(decimal(minimum=0, maximum=_MOST_WEIGHT)(value))


def _positive(value: Value) -> float:
    number = _amount(value)
    if not number:
        raise value.error("must be more than 0")
    return number


def _fraction(value: Value) -> float:
    return float(decimal(minimum=0, maximum=1)(value))
