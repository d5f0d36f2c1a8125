"""A key that a server echoes reaches nothing that is kept of its reply, in whatever form."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from provider_wires import KEY, TARGETS, Answer, FakeServer, Target, connected, json_reply, stream_reply

from orchestrator.errors import ProviderError
from orchestrator.providers.base import StreamEvent
from orchestrator.providers.redaction import without_key
from orchestrator.providers.text import redact
from orchestrator.types import Completion, Message, Request

REQUEST = Request("some-model", (Message("user", "Say hello"),), max_tokens=64, timeout_s=30)
LONG = "sk-proj-Zq9x81LmB3vTtRrPp0Kk4Yc7"
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "turned round": lambda key: key[::-1],
    "without its end": lambda key: key[:-2],
    "without its beginning": lambda key: key[4:],
    "broken by an invisible character": lambda key: f"{key[:10]}\u200b{key[10:]}",
    "on two lines": lambda key: f"{key[:12]}\n{key[12:]}",
    "spaced out": " ".join,
    "percent-encoded": lambda key: quote(key, safe="") + "".join(f"%{ord(char):02x}" for char in key),
    "in base64": lambda key: base64.b64encode(key.encode()).decode(),
    "in base64 behind something": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "in base64 as a password": lambda key: base64.urlsafe_b64encode(f"me:{key}".encode()).decode(),
    "in hex": lambda key: key.encode().hex(),
}

every_adapter = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isascii() and char.isalnum())


@every_form
@pytest.mark.parametrize(
    "around", ["{}", "before {} after", "a{}b", '{{"k": "{}"}}', "x" * 5_000 + " {} " + "y" * 5_000]
)
def test_a_key_is_masked_in_every_form(form: Callable[[str], str], around: str) -> None:
    masked = without_key(around.format(form(LONG)), LONG)
    assert "[redacted]" in masked
    left, told = letters(masked), letters(form(LONG))
    assert not any(told[at : at + 16] in left for at in range(len(told) - 15))
    assert masked.startswith(around[:5].replace("{{", "{").partition("{}")[0].partition("{")[0])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (LONG, "Nothing of it is here: sk-proj is how such keys begin, and 0Kk4 is four letters of it."),
        ("not-needed", "That is not needed, he said; not_needed."),
        ("my-own-server", "my own server is my-own-servers'"[:17]),
        ("none", "none of it"),
        (None, LONG),
        (LONG, ""),
    ],
    ids=["short pieces", "a short key in words", "another", "no key", "none given", "nothing"],
)
def test_other_text_stays_as_it_is(key: str | None, text: str) -> None:
    assert without_key(text, key) == text


def test_a_short_key_is_masked_as_it_is() -> None:
    assert without_key("the key not-needed", "not-needed") == "the key [redacted]"
    assert redact("Authorization: xyz-1", None) == "[redacted]"


def told(completion: StreamEvent | ProviderError | None) -> str:
    """Everything that is kept of a reply, as one text."""
    match completion:
        case ProviderError():
            return f"{completion.message}{completion.provider_code}{completion.request_id}{told(completion.partial)}"
        case Completion():
            return f"{completion}{json.dumps(completion.usage and completion.usage.raw)}"
    return str(completion)


def ask(target: Target, reply: object, *, streamed: bool) -> str:
    async def main() -> str:
        provider = connected(target, FakeServer(lambda _: reply))  # type: ignore[arg-type, return-value]
        try:
            if streamed:
                return "".join([told(event) for event in [event async for event in provider.stream(REQUEST)]])
            return told(await provider.complete(REQUEST))
        except ProviderError as error:
            return told(error)
        finally:
            await provider.aclose()

    return asyncio.run(main())


def is_clean(kept: str) -> bool:
    return letters(KEY)[:16] not in letters(kept) and letters(KEY)[-16:] not in letters(kept)


@every_adapter
@pytest.mark.parametrize(
    "form", [FORMS["as it is"], FORMS["broken by an invisible character"]], ids=["plain", "broken"]
)
def test_no_part_of_a_reply_keeps_the_key(target: Target, form: Callable[[str], str]) -> None:
    key = form(KEY)
    body = target.wire.whole(Answer(pieces=(f"The key is {key}.",), tool=(f"tool-{key}", {"key": key, key: 1})))
    usage = body["usage"] if "usage" in body else body["usageMetadata"]
    usage |= {"echo": key, key: {"deep": [key]}}
    body |= dict.fromkeys(("id", "model", "modelVersion", "responseId"), key)
    headers = {"x-request-id": KEY, "request-id": KEY, "x-goog-request-id": KEY}
    kept = ask(target, json_reply(body, headers=headers), streamed=False)
    assert "The key is [redacted]." in kept
    assert is_clean(kept)


@every_adapter
def test_no_piece_of_a_stream_shows_the_key(target: Target) -> None:
    for cut in (1, 5, len(KEY) - 1):
        pieces = ("The key is ", KEY[:cut], KEY[cut:], ", test", " and ", KEY)
        kept = ask(target, stream_reply(target.wire.stream(Answer(pieces=pieces))), streamed=True)
        assert "The key is [redacted], test and [redacted]" in kept
        assert is_clean(kept)


@every_adapter
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_error_keeps_the_key(target: Target, status: int) -> None:
    error = {"message": " " * 40_000 + KEY + f" {KEY[:-1]} {KEY[3:]}", "type": KEY, "code": KEY, "status": KEY}
    headers = {"x-request-id": KEY, "request-id": KEY, "x-goog-request-id": KEY}
    for streamed in (False, True):
        assert is_clean(ask(target, json_reply({"error": error}, status, headers), streamed=streamed))


@every_adapter
def test_identifiers_of_any_length_are_kept_short(target: Target) -> None:
    body = target.wire.whole(Answer()) | dict.fromkeys(("id", "model", "modelVersion", "responseId"), "x" * 100000)
    assert len(ask(target, json_reply(body), streamed=False)) < 2_000
