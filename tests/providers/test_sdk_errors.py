"""Every exception that an SDK, or the HTTP library, defines has a row of its own or is known to be out of reach."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as google_errors

from orchestrator.providers.anthropic import AnthropicProvider
from orchestrator.providers.google import GoogleProvider
from orchestrator.providers.http import TRANSPORT_ERRORS
from orchestrator.providers.openai import OpenAIProvider

# Raised by parts of the SDKs that no adapter touches. What is new in a release fails the test until it is looked at.
OUT_OF_REACH = {
    "anthropic.APIError",  # only its subclasses are raised
    "anthropic._response.StreamAlreadyConsumed",  # reading a body twice
    "anthropic.lib._extras._common.MissingDependencyError",
    "anthropic.lib.credentials._workload.WorkloadIdentityError",
    "anthropic.lib.foundry.MutuallyExclusiveAuthError",
    "anthropic.lib.tools._toolsets._errors.ToolsetUsageError",
    "anthropic.lib.tools._toolsets._errors.ToolsetConfigError",
    "anthropic.lib.tools._toolsets._errors.ToolsetContractError",
    "anthropic.lib.tools._toolsets._errors.ToolsetsFixedError",
    "anthropic.lib.tools._toolsets._errors.ToolsetClosedError",
    "openai._exceptions.SubjectTokenProviderError",
    "openai._response.StreamAlreadyConsumed",
    "openai.WebSocketConnectionClosedError",
    "openai.WebSocketQueueFullError",
    "openai.lib.azure.MutuallyExclusiveAuthError",
    "openai.lib._old_api.APIRemovedInV1",
    "openai._AmbiguousModuleClientUsageError",
}


def below(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from below(kind)


def name(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def exceptions_of_google() -> set[type[Exception]]:
    found = {kind for _, kind in inspect.getmembers(google_errors, inspect.isclass) if issubclass(kind, Exception)}
    return {kind for kind in found if not issubclass(kind, Warning)}


@pytest.mark.parametrize(
    ("kinds", "table"),
    [
        (set(below(anthropic.AnthropicError)), AnthropicProvider.sdk_errors),
        (set(below(openai.OpenAIError)), OpenAIProvider.sdk_errors),
        (exceptions_of_google(), GoogleProvider.sdk_errors),
        (
            {*below(httpx2.HTTPError), *below(httpx2.StreamError), httpx2.InvalidURL, httpx2.CookieConflict},
            TRANSPORT_ERRORS,
        ),
    ],
    ids=["anthropic", "openai", "google", "httpx2"],
)
def test_every_exception_is_mapped(kinds: set[type[Exception]], table: dict[type[Exception], object]) -> None:
    # openai.APIError is raised as itself, and must not hide that a subclass has no row of its own.
    rows = tuple(row for row in table if row is not openai.APIError)
    kinds = {kind for kind in kinds if kind.__module__.partition(".")[0] in {"anthropic", "openai", "google", "httpx2"}}
    unmapped = {name(kind) for kind in kinds - {openai.APIError} if not issubclass(kind, rows)}

    assert len(kinds) > 5
    assert unmapped <= OUT_OF_REACH


def test_no_row_stands_for_a_whole_sdk() -> None:
    rows = {*AnthropicProvider.sdk_errors, *OpenAIProvider.sdk_errors, *GoogleProvider.sdk_errors, *TRANSPORT_ERRORS}

    assert rows.isdisjoint({Exception, BaseException, anthropic.AnthropicError, anthropic.APIError, openai.OpenAIError})


def test_every_excuse_is_needed() -> None:
    known = {name(kind) for base in (anthropic.AnthropicError, openai.OpenAIError) for kind in below(base)}

    assert known >= OUT_OF_REACH
