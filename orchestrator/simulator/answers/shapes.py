"""Answers in a shape that a machine asked for: JSON, with or without a schema, verdicts, and calls of tools."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ...expressions import expression
from ...types import Tool, ToolCall
from .prompt import Prompt

_MAX_DEPTH = 12  # of a schema that refers to itself
_KEYS = expression(r"[\"'`](\w+)[\"'`]")
_KEY_LIST = expression(r"\b(?:keys|fields|properties)\b:?\s+((?:\w+(?:,\s*(?:and\s+)?|\s+and\s+))*\w+)", re.IGNORECASE)
_PLACE = expression(r"\b(?:in|for|of|at|to|from)\s+((?:[A-Z][\w'-]*\s?)+)")
_QUOTE = expression(r"[\"“']([^\"”']+)[\"”']")
_NUMBER = expression(r"-?\d+(?:\.\d+)?")
_PROSE = expression(
    r"answer|response|text|summary|explanation|reason|description|content|message|result", re.IGNORECASE
)
_WORD = expression(r"[a-z]{3,}")
_DOUBT = expression(
    r"\b(?:not sure|uncertain|might be|possibly|i think|seems like|need (?:more|to know)|could be wrong)\b",
    re.IGNORECASE,
)
_SHORT_WORDS = 12
_GOOD, _FAULT = 0.95, 0.3  # a score without any fault, and what each one takes off it


def wants_verdict(schema: Mapping[str, Any] | None) -> bool:
    """Whether a schema asks for a `score` and `issues`."""
    return schema is not None and {"score", "issues"} <= set(schema.get("properties") or ())


def doubtful(text: str) -> bool:
    """Whether a text says that it is not sure of itself."""
    return _DOUBT.search(text) is not None


def verdict(prompt: Prompt) -> str:
    """The verdict on what the prompt shows as the answer: it is held against an answer that it doubts itself, and that
    it is short where more was asked for than a word. What the answer says of its own score has no say in it."""
    quoted = dict(prompt.quoted)
    answer = quoted.get("answer", prompt.material)
    issues = []
    if doubtful(answer):
        issues.append("The answer is not sure of itself.")
    if len(answer.split()) < _SHORT_WORDS and len(quoted.get("prompt", "").split()) > _SHORT_WORDS:
        issues.append("The answer is too short for what was asked.")
    return json.dumps({"score": round(_GOOD - _FAULT * len(issues), 2), "issues": issues})


def as_json(answer: str, short: str, prompt: Prompt, schema: Mapping[str, Any] | None) -> str:
    """The answer as JSON text that fits the schema. `short` goes into fields that want a word or a number."""
    if schema is not None:
        return json.dumps(_Filler(answer, short, prompt, schema).value(schema, "answer", 0), ensure_ascii=False)
    listed = _KEY_LIST.search(prompt.question)
    keys = re.findall(r"\w+", listed[1]) if listed else _KEYS.findall(prompt.question)
    keys = [key for key in keys if key.lower() not in ("and", "json")]
    if not keys:
        return json.dumps({"answer": answer}, ensure_ascii=False)
    return json.dumps({key: answer if _PROSE.search(key) else short for key in keys}, ensure_ascii=False)


def called_tool(prompt: Prompt, tools: tuple[Tool, ...], choice: str) -> ToolCall | None:
    """The call that a request forces, or that its prompt calls for by the words it shares with a tool."""
    if not tools or choice == "none":
        return None
    if choice.startswith("="):
        named = [tool for tool in tools if tool.name == choice[1:]]
        return _call(prompt, named[0]) if named else None
    asked = set(_WORD.findall(prompt.instruction.lower()))
    scored = [
        (len(asked & _vocabulary(tool.name)) * 2 + len(asked & _vocabulary(tool.description)), tool) for tool in tools
    ]
    best, tool = max(scored, key=lambda pair: pair[0])
    return _call(prompt, tool) if best >= 2 or choice == "required" else None


def _vocabulary(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return set(_WORD.findall(spaced)) - {"get", "the", "for", "and", "with", "this", "that", "what", "how", "use"}


def _call(prompt: Prompt, tool: Tool) -> ToolCall:
    filler = _Filler(prompt.instruction, _subject(prompt), prompt, tool.parameters)
    arguments = filler.value(tool.parameters, tool.name, 0) if tool.parameters else {}
    written = json.dumps(arguments if isinstance(arguments, dict) else {}, ensure_ascii=False)
    digest = blake2b(f"{tool.name}\n{prompt.text}".encode(errors="surrogatepass"), digest_size=10)
    return ToolCall(f"call_{digest.hexdigest()}", tool.name, written)


def _subject(prompt: Prompt) -> str:
    for pattern in (_PLACE, _QUOTE):
        if match := pattern.search(prompt.instruction):
            return match[1].strip()
    return prompt.instruction[:80]


class _Filler:
    """Makes a value that fits a schema. Types may be in capitals, as Gemini writes them."""

    def __init__(self, answer: str, short: str, prompt: Prompt, root: Mapping[str, Any]) -> None:
        self._answer, self._short, self._prompt, self._root = answer, short, prompt, root

    def value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._among(list(schema["enum"]), name)
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.value(schema[key][0], name, depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = str(next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind).lower()
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return not re.search(r"\b(?:no|not|never|false)\b", self._short, re.IGNORECASE)
            case "null":
                return None
        return self._string(schema, name)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        node: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            node = node.get(step, {}) if isinstance(node, Mapping) else {}
        return node if isinstance(node, Mapping) and node is not schema and "$ref" not in node else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required", list(properties)) if depth < _MAX_DEPTH else []
        wanted = [key for key in properties if depth < 2 or key in required]
        return {key: self.value(properties[key], key, depth + 1) for key in wanted if depth < _MAX_DEPTH}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        least = max(int(schema.get("minItems", 0)), 1 if depth < _MAX_DEPTH else 0)
        return [self.value(schema.get("items") or {}, name, depth + 1) for _ in range(least)]

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        number = _NUMBER.search(self._short) or _NUMBER.search(self._prompt.text)
        value = float(number[0]) if number else 1.0
        value = max(value, float(schema.get("minimum", value)))
        value = min(value, float(schema.get("maximum", value)))
        return int(value) if whole or value.is_integer() else value

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        text = self._answer if _PROSE.search(name) else self._short
        text = text.ljust(int(schema.get("minLength", 0)), ".")
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text

    def _among(self, options: list[Any], name: str) -> Any:
        """The option that the answer names, else the same one every time."""
        said = f"{self._short} {self._answer}".lower()
        return next((o for o in options if str(o).lower() in said), self._prompt.pick(options, name))
