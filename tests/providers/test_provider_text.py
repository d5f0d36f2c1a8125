"""Text from providers: kept whole where a model wrote it, cut to size and cleaned where it is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.providers.text import MAX_MESSAGE, redact, scrub, scrub_json, tidy

any_text = st.text(st.characters(exclude_categories=[]), max_size=80)  # surrogates too


@given(any_text)
def test_scrubbed_text_can_be_encoded_and_is_otherwise_the_same(text: str) -> None:
    scrubbed = scrub(text)

    assert scrubbed.encode().decode() == scrubbed
    assert scrub(scrubbed) == scrubbed
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert scrubbed == text


@given(st.text(max_size=40))
def test_a_pair_that_was_taken_apart_is_joined_again(text: str) -> None:
    utf16 = text.encode("utf-16-le")
    apart = "".join(chr(int.from_bytes(utf16[i : i + 2], "little")) for i in range(0, len(utf16), 2))

    assert scrub(apart) == text


def test_json_is_scrubbed_all_the_way_down() -> None:
    assert scrub_json({"a\ud800": ["\udfff", {"b": 1}], "c": None}) == {"a\ufffd": ["\ufffd", {"b": 1}], "c": None}


@given(any_text, st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60))
def test_a_tidy_message_is_one_short_printable_line_without_the_key(text: str, key: str) -> None:
    line = tidy(f"{text} {key} {text}", key)

    assert len(line) <= MAX_MESSAGE
    assert line.encode()
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in line)
    assert key not in line.replace("[redacted]", "\n")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456",
        "header x-api-key: abcdef123456 was wrong",
        '{"x-goog-api-key": "abcdef123456"}',
        "https://example.com/v1?alt=sse&key=abcdef123456",
        "Incorrect API key provided: sk-proj-abcdef123456",
        "key AIzaSyabcdef123456 not valid",
        "Incorrect API key provided: sk-abc*******3456",
    ],
)
def test_what_looks_like_a_key_is_masked_whoever_it_belongs_to(text: str) -> None:
    masked = redact(text, None)

    assert "123456" not in masked
    assert "3456" not in masked
    assert "[redacted]" in masked


def test_a_short_dummy_key_does_not_mask_ordinary_words() -> None:
    assert redact("none of the models answered", "none") == "none of the models answered"


def test_a_key_at_the_cut_is_masked_before_the_cut() -> None:
    key = "abcdefghijklmnopqrstuvwxyz"
    for lead in range(MAX_MESSAGE - 30, MAX_MESSAGE + 1):
        assert "abcdef" not in tidy("." * lead + key, key)


@pytest.mark.parametrize(
    ("page", "phrase"),
    [
        ("<!DOCTYPE html><html><title>502\n  Bad Gateway</title>", 'an HTML page, "502 Bad Gateway"'),
        ("  <html><body>x</body></html>", "an HTML page"),
        ("<HTML><HEAD><TITLE>\x1b[31mhi</TITLE>", 'an HTML page, " [31mhi"'),
    ],
)
def test_html_is_reduced_to_a_phrase(page: str, phrase: str) -> None:
    assert tidy(page, None) == phrase
