"""The characters that never reach a terminal: those that it obeys, that reorder text, or that are not to be seen.

This table is the only one. It is applied where something is written to a terminal (`cli/render.py`, and `files.py` for
a terminal that is named as a file), and by what makes text fit for one line (a name in a table, an error's words). What
goes to a file or a pipe keeps these characters.
"""

from __future__ import annotations

from .expressions import expression

# Unicode's controls, format characters and separators of lines, but for tab and newline, for the joiners that emoji and
# scripts are written with (U+200C, U+200D), and for the format characters that are seen: Arabic, Syriac and Kaithi
# number signs and the layout of hieroglyphs. A test holds it against the Unicode database.
_UNSEEN = expression(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # what a terminal obeys: C0, C1
    "\xad\u180e\u200b\u2060-\u2064\ufeff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # without a width
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # what reorders or breaks lines
    "\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"  # what hides text within text: annotations, tags
)


def without_unseen(text: str, instead: str = "") -> str:
    """The text with `instead` in the place of each of these characters."""
    return _UNSEEN.sub(instead, text)


def for_terminal(text: str) -> str:
    """Text from elsewhere as a terminal may be sent it; line ends become plain newlines."""
    return without_unseen(text.replace("\r\n", "\n"))
