"""Whether an answer is JSON that fits the schema that the user gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

from ...config.strict_json import parse_json
from ...errors import UsageError
from ...expressions import expression
from ..signal import Signal

FITS, DOES_NOT_FIT = 0.7, -6.0  # logits, set by hand: what does not fit cannot be used, whatever else it is
NOT_APPLICABLE = "the schema cannot be applied"  # whatever the answer is
_IN_A_BLOCK = expression(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL | re.IGNORECASE)
_AROUND = " \t\r\n\ufeff"  # white space of JSON, and a byte order mark


def check_schema(schema: object) -> Mapping[str, Any]:
    """A schema that answers can be held against. Raises UsageError if it is not a JSON Schema (2020-12, or the draft
    that it names)."""
    from jsonschema import SchemaError, validators  # heavy

    if not isinstance(schema, Mapping):
        raise UsageError("the schema must be a JSON object")
    try:
        validators.validator_for(schema).check_schema(dict(schema))
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path)
        raise UsageError(f"the schema is not valid{f' at {where}' if where else ''}: {error.message}") from error
    return schema


def json_document(text: str) -> str:
    """An answer without the white space, or the one code block, around it: the JSON document, if it is one."""
    text = text.strip(_AROUND)
    block = _IN_A_BLOCK.match(text)
    return block[1] if block else text


def schema_signal(text: str, schema: Mapping[str, Any]) -> Signal:
    """The first thing in an answer that the schema does not allow, or that it fits. An answer is one JSON document,
    which may stand in one code block, with no words around it. References to other documents are not followed: they
    count as not fitting."""
    from jsonschema import validators  # heavy
    from referencing import Registry  # heavy
    from referencing.exceptions import Unresolvable  # heavy

    try:
        value = parse_json(json_document(text))
    except ValueError as error:
        why = "" if isinstance(error, JSONDecodeError) else f": {error}"
        return Signal("schema", DOES_NOT_FIT, f"asked for JSON, and there is none that parses{why}")
    try:
        # With a registry of its own it fetches nothing: a schema must not be able to make requests.
        validator = validators.validator_for(schema)(dict(schema), registry=Registry())
        problem = next(iter(sorted(validator.iter_errors(value), key=lambda error: error.json_path)), None)
    except (Unresolvable, RecursionError, ArithmeticError, re.error) as error:  # ArithmeticError: 10**400 as a float
        return Signal("schema", DOES_NOT_FIT, f"{NOT_APPLICABLE}: {str(error)[:120]}")
    if problem is None:
        return Signal("schema", FITS, "fits the schema")
    return Signal("schema", DOES_NOT_FIT, f"does not fit the schema at {problem.json_path}: {problem.message[:120]}")
