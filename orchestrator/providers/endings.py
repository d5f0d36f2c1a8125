"""What a provider's word for the end of a reply means: one table for all wires.

Compatible servers and gateways send the words of other providers, in any spelling: `max_tokens`, `MAX_TOKENS`,
`maxTokens` and `FinishReason.MAX_TOKENS` are one. A word that is not in the table is no proper end: the reply may have
been cut off for a reason that is newer than this table, or that the provider does not name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..expressions import expression
from ..types import FinishReason

_PROPER = (
    "stop end_turn stop_sequence eos eos_token end_of_turn end_of_text end complete completed finish finished done"
    " stop_token natural normal success"
)
_AT_A_LIMIT = (
    "length max_tokens max_output_tokens max_completion_tokens max_new_tokens max_length model_length length_limit"
    " token_limit limit truncated model_context_window_exceeded context_length_exceeded context_length context_window"
    " max_context_length error_limit continuation"  # Gemini: more is to be had only by another request
)
_WITH_CALLS = "tool_calls tool_call tool_use function_call function_calls"
_HELD_BACK = (
    "content_filter content_filtered refusal refused safety recitation language blocklist prohibited_content spii"
    " image_safety image_prohibited_content image_recitation escalation pup_limited_disabled model_armor error_toxic"
    " sensitive guardrail_intervened guardrail blocked moderation moderated filtered policy_violation content_policy"
)
_TABLE: Mapping[str, FinishReason] = {
    **dict.fromkeys(_PROPER.split(), FinishReason.STOP),
    **dict.fromkeys(_AT_A_LIMIT.split(), FinishReason.LENGTH),
    **dict.fromkeys(_WITH_CALLS.split(), FinishReason.TOOL_CALLS),
    **dict.fromkeys(_HELD_BACK.split(), FinishReason.REFUSED),
}
_CAMEL = expression(r"(?<=[a-z])(?=[A-Z])")


def ending(word: str) -> FinishReason:
    """What a finish reason means, in any provider's words; INCOMPLETE for one that nobody knows, or that says so."""
    known = _TABLE.get(word)
    return known or _TABLE.get(_plain(word), FinishReason.INCOMPLETE)


def _plain(word: str) -> str:
    plain = re.sub(r"[\s.-]+", "_", _CAMEL.sub("_", word.strip())).lower()
    return plain.removeprefix("finish_reason_").removeprefix("stop_reason_")
