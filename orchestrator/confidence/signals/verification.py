"""What the user's own command says of an answer: exit code 0 accepts it, any other does not."""

from __future__ import annotations

from ..signal import Signal

ACCEPTED, REJECTED = 8.0, -8.0  # logits: the user's word outweighs every guess about it
_SHOWN = 120  # characters of what the command said


def verification_signal(exit_code: int, said: str) -> Signal:
    """`said` is what the command wrote; its last line explains a rejection."""
    if exit_code == 0:
        return Signal("verification", ACCEPTED, "verified: exit code 0")
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    return Signal(
        "verification", REJECTED, f"not verified: exit code {exit_code}{f': {last[:_SHOWN]}' if last else ''}"
    )
