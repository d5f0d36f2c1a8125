"""Refusals that concern one model, in the words of the servers that send them: another model is asked then.

The wordings are those of documentation, sources and public reports; what they mean was decided by reading them.
"""

from __future__ import annotations

import pytest
from test_failures import failure

from orchestrator import errors
from orchestrator.errors import Billed, Disposition
from orchestrator.registry.providers import PROVIDERS

TOO_LONG = [
    ("openai", 400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    (
        "openai",
        400,
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300120 tokens.",
    ),
    (
        "openai",
        400,
        "Invalid 'messages[0].content': string too long. Expected a string with maximum length 10485760, but got more.",
    ),
    ("azure", 400, "This model's maximum context length is 8192 tokens, however you requested 10346 tokens."),
    ("vllm", 400, "The engine prompt length 40112 exceeds the max_model_len 32768. Please reduce prompt."),
    ("vllm", 400, "The prompt (length 40112) is longer than the maximum model length of 32768."),
    (
        "vllm",
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 "
        "tokens and your request has 100 input tokens (4096 > 4096 - 100).",
    ),
    ("vllm", 400, "Input length (40112) exceeds model's maximum context length (32768)."),
    ("vllm", 500, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."),
    ("llamacpp", 400, "the request exceeds the available context size, try increasing it"),
    ("llamacpp", 500, "input is too large to process. increase the physical batch size (current batch size: 512)"),
    ("llamacpp", 500, "context shift is disabled"),
    ("llamacpp", 400, "Requested tokens (5000) exceed context window of 4096"),
    ("llamacpp", 400, "input (9000 tokens) is larger than the max context size (4096 tokens). skipping"),
    ("ollama", 400, "the input length exceeds the context length"),
    ("ollama", 400, "prompt too long; exceeded max context length by 1119046 tokens"),
    (
        "lmstudio",
        400,
        "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context "
        "length of only 32768 tokens, which is not enough.",
    ),
    (
        "lmstudio",
        400,
        "The number of tokens to keep from the initial prompt is greater than the context length.",
    ),
    ("lmstudio", 400, "Reached context length of 4096 tokens with model (arch: llama)"),
    ("lmstudio", 500, "Cannot truncate prompt with n_keep (9000) >= n_ctx (4096)"),
    (
        "tgi",
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    ),
    ("tgi", 422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
    ("sglang", 400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    ("sglang", 400, "Requested token count exceeds the model's maximum context length of 4096 tokens."),
    ("sglang", 400, "Input length (9000 tokens) exceeds the maximum allowed length (4090 tokens)."),
    ("deepseek", 400, "This model's maximum context length is 65536 tokens. However, you requested 74125 tokens."),
    ("groq", 400, "Please reduce the length of the messages or completion."),
    ("groq", 413, "Request Entity Too Large"),
    (
        "mistral",
        400,
        "Prompt contains 72734 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    ),
    ("xai", 400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    ("together", 422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193."),
    ("fireworks", 400, "The prompt is too long: 20000, model maximum context length: 8192"),
    (
        "openrouter",
        400,
        "This endpoint's maximum context length is 128000 tokens. However, you requested about 150000.",
    ),
    ("litellm", 400, "litellm.ContextWindowExceededError: AnthropicException - prompt is too long: 210000 tokens"),
    ("anthropic", 400, "The long context beta is not yet available for this subscription."),
    ("bedrock", 400, "Input is too long for requested model."),
    ("bedrock", 400, "Malformed input request: expected maxLength: 50000, actual: 60000, please reformat your input."),
    ("bedrock", 400, "Too many input tokens: the maximum is 8192"),
    (
        "google",
        400,
        "Unable to submit request because the input token count is 1500000 but the model only supports up to 1048576.",
    ),
    ("google", 400, "Request payload size exceeds the limit: 20971520 bytes."),
    ("copilot", 400, "prompt token count of 130000 exceeds the limit of 128000"),
    ("cohere", 400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."),
    (
        "cerebras",
        400,
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
    ),
    ("qwen", 400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]"),
    ("moonshot", 400, "Invalid request: Your request exceeded model token limit: 131072 (requested: 200000)"),
    ("zhipu", 400, "Prompt 超长"),
    ("minimax", 400, "invalid params, context window exceeds limit (2013)"),
    (
        "cloudflare",
        413,
        "The estimated number of input and maximum output tokens exceeded this model context window limit",
    ),
    ("openrouter", 400, "Token limit reached"),
    ("vllm", 400, "The total number of tokens (9000) must be less than 8192"),
]
FILTERED = [
    ("azure", 400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
    ("openai", 400, "Your request was rejected as a result of our safety system."),
    ("openai", 400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy."),
    ("openai", 400, "Invalid Prompt: limited access to this content for safety reasons."),
    ("openai", 400, "This content was flagged for possible cybersecurity risk."),
    ("anthropic", 400, "Your request contains prohibited content"),
    ("anthropic", 400, "Output blocked by content filtering policy"),
    ("deepseek", 400, "Content Exists Risk"),
    ("qwen", 400, "Input data may contain inappropriate content. For details, see the documentation"),
    ("qwen", 400, "<400> InternalError.Algo.DataInspectionFailed: Output data may contain inappropriate content."),
    ("zhipu", 400, "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语"),
    ("zhipu", 400, "The system detected potentially unsafe or sensitive content in input or generation."),
    ("moonshot", 400, "The request was rejected because it was considered high risk"),
    ("minimax", 400, "output new_sensitive (1027)"),
    ("volcengine", 400, "The request failed because the input text may contain sensitive information."),
    ("google", 400, "The prompt contains sensitive words that violate Google's Responsible AI practices."),
    ("bedrock", 400, "The generated text has been blocked by our content filters."),
    ("xai", 403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
    ("openrouter", 403, 'openai/gpt-5 requires moderation on OpenInference. Your input was flagged for "violence".'),
    ("litellm", 400, "litellm.ContentPolicyViolationError: the request was rejected"),
    ("litellm", 400, "Violated guardrail policy"),
    ("cloudflare", 424, "Prompt blocked due to security configurations"),
]
LACKING = [
    (
        "openai",
        400,
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default is supported.",
    ),
    (
        "openai",
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
    ),
    ("openai", 400, "Your organization must be verified to stream this model."),
    ("openai", 403, "You are not allowed to request logprobs from this model"),
    ("openai", 400, "max_tokens is too large: 8192. This model supports at most 4096 completion tokens."),
    ("openai", 400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
    ("openai", 400, "Invalid schema for response_format 'answer': 'additionalProperties' is required to be false"),
    ("openai", 400, "Invalid content type. image_url is only supported by certain models."),
    ("azure", 400, "The chatCompletion operation does not work with the specified model, gpt-5-codex."),
    (
        "anthropic",
        400,
        "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku",
    ),
    ("anthropic", 400, "output_config.format: Extra inputs are not permitted"),
    ("anthropic", 400, "`temperature` is deprecated for this model."),
    ("anthropic", 400, "This model does not support assistant message prefill."),
    ("vllm", 400, "System role not supported"),
    ("vllm", 400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    ("vllm", 400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    ("llamacpp", 500, "tools param requires --jinja flag"),
    ("llamacpp", 500, "Jinja Exception: System message must be at the beginning"),
    ("ollama", 400, "registry.ollama.ai/library/gemma3:latest does not support tools"),
    ("groq", 400, "`tool calling` is not supported with this model"),
    ("groq", 400, "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."),
    ("groq", 400, "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`"),
    ("deepseek", 400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
    ("deepseek", 400, "This response_format type is unavailable now"),
    ("qwen", 400, "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"),
    (
        "google",
        400,
        "Unable to submit request because it has a maxOutputTokens value of 65536 but the range is 1 to 8193",
    ),
    ("google", 400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
    ("google", 400, "Function calling is not enabled for models/gemma-3-27b-it"),
    ("google", 400, "Function calling with a response mime type: 'application/json' is unsupported"),
    ("google", 400, "The specified schema produces a constraint that has too many states for serving."),
    ("google", 400, 'Invalid JSON payload received. Unknown name "responseJsonSchema": Cannot find field.'),
    ("bedrock", 400, "This model doesn't support tool use in streaming mode."),
    ("bedrock", 400, "Invocation of model ID meta.llama4 with on-demand throughput isn't supported."),
    ("bedrock", 400, "The maximum tokens you requested exceeds the model limit of 4096."),
    ("openrouter", 404, "No endpoints found that support tool use."),
    ("xai", 400, "Argument not supported on this model: stop"),
    ("mistral", 422, "Extra inputs are not permitted"),
    ("siliconflow", 400, "The model is not a VLM (Vision Language Model). Please use text-only prompts."),
]
MISSING = [
    ("deepseek", 400, "Model Not Exist"),
    ("groq", 400, "The model `llama2-70b` has been decommissioned and is no longer supported."),
    ("litellm", 400, "/chat/completions: Invalid model name passed in model=gpt-99."),
    ("bedrock", 400, "This model version has reached the end of its life."),
]


def said(server: str, status: int, message: str) -> errors.ProviderError:
    """Through the adapter of the server; of one that is not among the providers, through that of compatible ones."""
    kind = "invalid_request_error"
    if server == "anthropic":
        return failure(server, status, {"type": "error", "error": {"type": kind, "message": message}})
    if server == "google":
        return failure(server, status, {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}})
    provider = server if server in PROVIDERS else "vllm"
    return failure(provider, status, {"error": {"message": message, "type": kind, "param": None, "code": None}})


@pytest.mark.parametrize(
    ("provider", "status", "message", "kind"),
    [
        pytest.param(*row, kind, id=f"{row[0]}: {row[2][:60]}")
        for kind, rows in (
            (errors.ContextTooLongError, TOO_LONG),
            (errors.RefusedError, FILTERED),
            (errors.UnsupportedError, LACKING),
        )
        for row in rows
    ],
)
def test_what_concerns_one_model_is_told_from_what_concerns_the_request(
    provider: str, status: int, message: str, kind: type[errors.ProviderError]
) -> None:
    error = said(provider, status, message)
    assert (type(error), error.disposition) == (kind, Disposition.NEXT)


@pytest.mark.parametrize(("provider", "status", "message"), MISSING, ids=[row[2][:40] for row in MISSING])
def test_a_model_that_is_gone_is_asked_for_elsewhere(provider: str, status: int, message: str) -> None:
    assert said(provider, status, message).disposition is Disposition.NEXT


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(
            422,
            {"error": "Input validation error: `inputs` must have less than 4 tokens"},
            errors.ContextTooLongError,
            id="TGI: a text for an error",
        ),
        pytest.param(
            400,
            {"detail": [{"loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}]},
            errors.UnsupportedError,
            id="FastAPI: a list of details",
        ),
        pytest.param(
            403,
            {"code": "permission-denied", "error": "Content violates usage guidelines."},
            errors.RefusedError,
            id="xAI: the code beside the words",
        ),
        pytest.param(400, {"message": "Input is too long for requested model."}, errors.ContextTooLongError, id="AWS"),
        pytest.param(
            400,
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": '{"code":"content_filter"}'},
                }
            },
            errors.RefusedError,
            id="OpenRouter: the upstream's words alone say it",
        ),
        pytest.param(400, {}, errors.UnsupportedError, id="nothing: nobody says that the request is at fault"),
        pytest.param(413, {}, errors.ContextTooLongError, id="too large, without a word"),
        pytest.param(
            400, {"error": {"code": "InputTooLong", "message": "x"}}, errors.ContextTooLongError, id="in camel case"
        ),
        pytest.param(
            400,
            {"error": {"code": "InvalidParameter.ContextLength", "message": "x"}},
            errors.ContextTooLongError,
            id="in camel case, after a dot",
        ),
        pytest.param(
            400,
            {"error": {"code": "ProhibitedContent", "message": "x"}},
            errors.RefusedError,
            id="a filter in camel case",
        ),
        pytest.param(
            413,
            {"error": {"message": "Request too large for model `x` on tokens per minute (TPM): Limit 6000"}},
            errors.QuotaExhaustedError,
            id="Groq: larger than a minute allows",
        ),
    ],
)
def test_the_reason_is_found_wherever_a_server_puts_it(
    status: int, body: dict[str, object], kind: type[errors.ProviderError]
) -> None:
    assert type(failure("openrouter", status, body)) is kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        pytest.param(400, "messages: text content blocks must be non-empty", errors.RequestRejectedError, id="empty"),
        pytest.param(400, "We could not parse the JSON body of your request.", errors.RequestRejectedError, id="JSON"),
        pytest.param(503, "context deadline exceeded", errors.OverloadedError, id="a deadline of Go's"),
        pytest.param(500, "The service is temporarily unavailable", errors.OverloadedError, id="unavailable"),
        pytest.param(429, "Too many tokens, please wait before trying again.", errors.RateLimitedError, id="a rate"),
        pytest.param(
            403, "Request violates the organization's policy on keys", errors.AuthenticationError, id="policy"
        ),
        pytest.param(403, "Country, region, or territory not supported", errors.AuthenticationError, id="region"),
    ],
)
def test_other_failures_with_such_words_in_them_stay_what_they_are(
    status: int, message: str, kind: type[errors.ProviderError]
) -> None:
    assert type(said("openai", status, message)) is kind


def test_what_was_written_and_held_back_may_be_billed_and_what_was_not_begun_is_not() -> None:
    assert said("anthropic", 400, "Output blocked by content filtering policy").billed is Billed.UNKNOWN
    assert said("deepseek", 400, "Content Exists Risk").billed is Billed.NO
