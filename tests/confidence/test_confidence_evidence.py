"""Evidence beyond an answer's text: log-probabilities, a schema."""

from __future__ import annotations

import math

import pytest

from orchestrator.confidence import ConfidenceDetector
from orchestrator.confidence.signals.logprobs import logprob_signal
from orchestrator.confidence.signals.schema import check_schema, schema_signal
from orchestrator.errors import UsageError
from orchestrator.types import TokenLogprob

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def tokens(*chances: float) -> list[TokenLogprob]:
    return [TokenLogprob("x", math.log(chance)) for chance in chances]


def test_a_model_that_was_unsure_of_its_words_is_trusted_less() -> None:
    sure, unsure = logprob_signal(tokens(0.99, 0.98)), logprob_signal(tokens(0.3, 0.5))
    assert sure is not None
    assert unsure is not None
    assert sure.logit > 0 > unsure.logit
    assert unsure.reason == "tokens of 39% on average"


def test_without_tokens_nothing_is_said() -> None:
    assert logprob_signal([]) is None
    assert logprob_signal([TokenLogprob("x", -math.inf)]) is None


def test_evidence_moves_the_confidence_and_is_listed() -> None:
    signal = logprob_signal(tokens(0.2))
    assert signal is not None
    plain, moved = (ConfidenceDetector().assess("413", "17 x 24 + 5?", evidence=e) for e in ((), (signal,)))
    assert moved.confidence < plain.confidence
    assert moved.signals["log-probabilities"] == signal.logit


@pytest.mark.parametrize("text", ['{"age": 3}', '```json\n{"age": 3}\n```\n', ' {"age": 3.0}\n'])
def test_json_that_fits_the_schema_speaks_for_an_answer(text: str) -> None:
    assert schema_signal(text, SCHEMA).logit > 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("three", "asked for JSON, and there is none that parses"),
        ('Here: {"age": 3}', "asked for JSON, and there is none that parses"),
        ('{"age": 3} as you asked', "asked for JSON, and there is none that parses"),
        ('Here:\n```json\n{"age": 3}\n```', "asked for JSON, and there is none that parses"),
        ('{"age": NaN}', "asked for JSON, and there is none that parses: NaN is no number of JSON"),
        ('{"age": -Infinity}', "asked for JSON, and there is none that parses: -Infinity is no number of JSON"),
        ('{"age": 1e400}', "asked for JSON, and there is none that parses: 1e400 is too large a number"),
        ('{"age": ' + "[" * 200_000, "asked for JSON, and there is none that parses: it is nested too deeply"),
        ('{"age": 1, "age": 3}', "asked for JSON, and there is none that parses: the key 'age' is there twice"),
        ('{"age": "3"}', "does not fit the schema at $.age: '3' is not of type 'integer'"),
        ("{}", "does not fit the schema at $: 'age' is a required property"),
    ],
)
def test_what_does_not_fit_is_not_acceptable_and_says_why(text: str, reason: str) -> None:
    signal = schema_signal(text, SCHEMA)
    assert signal.reason == reason
    assert ConfidenceDetector().assess(text, "Age?", evidence=[signal]).confidence < 0.1


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"multipleOf": 0.1}, "1" + "0" * 400),
        ({"pattern": "("}, '"x"'),
        ({"$ref": "#"}, "1"),
    ],
    ids=["a number that no float holds", "a pattern that is none", "a schema that is itself"],
)
def test_a_schema_that_cannot_be_applied_is_not_fitted_by_anything(schema: dict[str, object], text: str) -> None:
    assert schema_signal(text, schema).reason.startswith("the schema cannot be applied")


def test_a_schema_that_points_elsewhere_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda url, *_, **__: asked.append(url))
    assert schema_signal("{}", {"$ref": "https://example.com/s.json"}).reason.startswith("the schema cannot be applied")
    assert not asked


@pytest.mark.parametrize("schema", [[], "x", {"type": "nonsense"}, {"properties": 3}])
def test_what_is_no_schema_is_refused(schema: object) -> None:
    with pytest.raises(UsageError, match="schema"):
        check_schema(schema)
