"""What is fetched for `--attach URL`: bytes, within a limit, from nowhere else than the web."""

from __future__ import annotations

import httpx2
import pytest

from orchestrator.errors import UsageError
from orchestrator.providers.download import downloaded
from orchestrator.reading.media import MAX_BYTES

REPLIES = {
    "/a": httpx2.Response(200, content=b"bytes"),
    "/moved": httpx2.Response(302, headers={"location": "/a"}),
    "/file": httpx2.Response(302, headers={"location": "file:///etc/passwd"}),
    "/loop": httpx2.Response(302, headers={"location": "/loop"}),
    "/none": httpx2.Response(404),
    "/large": httpx2.Response(200, content=b"x" * (MAX_BYTES + 1)),
}


def fetched(path: str) -> bytes:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert "authorization" not in request.headers
        if request.url.path == "/gone":
            raise httpx2.ConnectError("nobody is there")
        return REPLIES[request.url.path]

    return downloaded(f"https://example.com{path}", "--attach: it", httpx2.MockTransport(answer))


@pytest.mark.parametrize("path", ["/a", "/moved"])
def test_what_is_there_is_fetched(path: str) -> None:
    assert fetched(path) == b"bytes"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/file", "leads to another kind of address"),
        ("/loop", "is redirected too often"),
        ("/none", "the server answers 404"),
        ("/large", "is too large"),
        ("/gone", "cannot be fetched: nobody is there"),
    ],
)
def test_what_cannot_be_had_is_an_error_in_words(path: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"^--attach: it {problem}|^--attach: it cannot be fetched: {problem}"):
        fetched(path)
