"""Tables of phrases find what one plain regular expression over the whole text would find."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reading import answer, indicators, needs, tasks
from orchestrator.reading.phrases import PhraseTable


class Phrase(NamedTuple):
    pattern: str


ROWS = (Phrase("write (?:a )?poem|(?:re-?)?write"), Phrase(r"[0-9]+ ?% of"), Phrase("a(?:n)? essay"), Phrase("so"))
SHIPPED = [answer._SIGN_TABLE.rows, indicators.INDICATORS, needs._EVIDENCE, tasks._EVIDENCE]
WORDS = (
    "write", "rewrite", "re-write", "a", "poem", "an", "essay", "5", "% of", "so", "so-so", "design", "the", "summary",
    "prove", "in json", "what", "is", "implement", "don't", "security review", "migrate", "list", "ünder", "如何",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=30).flatmap(
    lambda words: st.lists(st.sampled_from([" ", "\n", ", ", "-", "(", "/", ""]), min_size=30, max_size=30).map(
        lambda gaps: "".join(word + gap for word, gap in zip(words, gaps, strict=False))
    )
)


@pytest.mark.parametrize("rows", [ROWS, *SHIPPED], ids=["made up", "answers", "indicators", "needs", "tasks"])
@given(text=texts)
def test_a_table_finds_what_its_patterns_match_from_left_to_right(rows: tuple[Phrase, ...], text: str) -> None:
    words = text.lower()
    plain = "|".join(f"(?P<row{place}>{row.pattern})" for place, row in enumerate(rows))
    whole = re.finditer(rf"(?<![\w-])(?:{plain})(?!\w|-\w)", words)
    expected = [(int(str(found.lastgroup).removeprefix("row")), found[0], found.start()) for found in whole]
    assert [(match.place, match.text, match.start) for match in PhraseTable(rows).find(words)] == expected
