"""Whether an answer is JSON that fits the schema that the user gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import UsageError
from ..answers import json_in
from ..signal import Signal

FITS, DOES_NOT_FIT = 0.7, -6.0  # logits, set by hand: what does not fit cannot be used, whatever else it is


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


def schema_signal(text: str, schema: Mapping[str, Any]) -> Signal:
    """The first thing in an answer that the schema does not allow, or that it fits. References to other documents are
    not followed: they count as not fitting."""
    from jsonschema import validators  # heavy
    from referencing import Registry  # heavy
    from referencing.exceptions import Unresolvable  # heavy

    found = json_in(text)
    if found is None:
        return Signal("schema", DOES_NOT_FIT, "asked for JSON, and there is none that parses")
    try:
        # With a registry of its own it fetches nothing: a schema must not be able to make requests.
        validator = validators.validator_for(schema)(dict(schema), registry=Registry())
        problem = next(iter(sorted(validator.iter_errors(json.loads(found)), key=lambda error: error.json_path)), None)
    except (Unresolvable, RecursionError) as error:
        return Signal("schema", DOES_NOT_FIT, f"the schema cannot be applied: {str(error)[:120]}")
    if problem is None:
        return Signal("schema", FITS, "fits the schema")
    return Signal("schema", DOES_NOT_FIT, f"does not fit the schema at {problem.json_path}: {problem.message[:120]}")
