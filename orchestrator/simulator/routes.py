"""Which provider and operation an address means.

A path may start with a provider's name, so that over loopback every provider has an address of its own, such as
`http://127.0.0.1:8099/cerebras/v1`; in process the host says which provider is meant.
"""

from __future__ import annotations

from enum import Enum, auto
from urllib.parse import parse_qs, urlsplit

from ..deferred import dataclass
from ..expressions import expression
from ..registry.providers import PROVIDERS
from ..registry.providers import wire as wire_of
from .connection import Scope
from .wires import anthropic, google, openai
from .wires.base import Wire

WIRES: dict[str, Wire] = {"anthropic": anthropic, "openai": openai, "google": google}

_HOSTS = {"api.openai.com": "openai"} | {
    urlsplit(info.base_url).netloc: name for name, info in PROVIDERS.built_in.items() if info.base_url is not None
}
_OPENROUTER_PREFIX = "/api/v1/"
_VERSIONS = ("v1", "v1beta", "api")  # how a path begins that names no provider: installed plugins are not searched
_GEMINI_CALL = expression(
    r"/models/(?P<model>.+):(?P<verb>generateContent|streamGenerateContent|countTokens|embedContent)$"
)
_MODELS = expression(r"/models(?:/(?P<model>.+))?$")

_BATCHES = expression(
    r"/(?:files|batches|messages/batches)(?:/[\w-]+)?(?:/content|/cancel|/results|:cancel|:download)?$"
    r"|:batchGenerateContent$"
)


class Operation(Enum):
    """What a request asks for."""

    GENERATE = auto()
    EMBED = auto()
    COUNT = auto()
    MODELS = auto()
    BATCHES = auto()
    JOURNAL = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """`provider` is empty where the address does not say; `certain` is False where it is only likely.

    `model`, `stream` and `sse` are what a Gemini path says of its request. `path`: what follows the provider's name.
    """

    operation: Operation
    wire: str = ""
    provider: str = ""
    certain: bool = True
    model: str | None = None
    stream: bool = False
    sse: bool = True
    path: str = ""


def route(scope: Scope) -> Route:
    """The wire and the operation of a request, by its method and path."""
    method, path = scope["method"], scope["path"]
    if path == "/journal":
        return Route(Operation.JOURNAL)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    provider, certain, path = _provider(headers.get("host", ""), path)
    if _BATCHES.search(path):
        wire = wire_of(provider) if provider else _wire_of_key(headers)
        return Route(Operation.BATCHES, wire, provider, certain, path=path)
    if method == "POST":
        return _generation(provider, certain, path, scope)
    listing = _MODELS.search(path)
    if method == "GET" and listing:
        wire = wire_of(provider) if provider else _wire_of_key(headers)
        return Route(Operation.MODELS, wire, provider, certain, model=listing["model"])
    return Route(Operation.UNKNOWN)


def _provider(host: str, path: str) -> tuple[str, bool, str]:
    """The provider that an address names, whether that is certain, and the rest of the path."""
    provider = _HOSTS.get(host, "")
    if provider and not PROVIDERS[provider].self_hosted:
        return provider, True, path
    first, _, rest = path.lstrip("/").partition("/")
    if first not in _VERSIONS and first in PROVIDERS:
        return first, True, "/" + rest
    if path.startswith(_OPENROUTER_PREFIX):
        return "openrouter", True, path
    # A self-hosted provider's usual port may as well be where this simulator listens.
    return provider, False, path


def _generation(provider: str, certain: bool, path: str, scope: Scope) -> Route:
    gemini = _GEMINI_CALL.search(path)
    if gemini and gemini["verb"] == "countTokens":
        return Route(Operation.COUNT, "google", "google", model=gemini["model"])
    if gemini and gemini["verb"] == "embedContent":
        return Route(Operation.EMBED, "google", "google", model=gemini["model"])
    if gemini:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        streams = gemini["verb"] == "streamGenerateContent"
        sse = query.get("alt") == ["sse"]
        return Route(Operation.GENERATE, "google", "google", model=gemini["model"], stream=streams, sse=sse)
    if path.endswith("/v1/messages"):
        return Route(Operation.GENERATE, "anthropic", "anthropic")
    if path.endswith("/v1/messages/count_tokens"):
        return Route(Operation.COUNT, "anthropic", "anthropic")
    if path.endswith("/responses/input_tokens"):
        return Route(Operation.COUNT, "openai", provider, certain)
    if path.endswith("/embeddings"):
        return Route(Operation.EMBED, "openai", provider, certain)
    if path.endswith("/chat/completions"):
        return Route(Operation.GENERATE, "openai", provider, certain)
    return Route(Operation.UNKNOWN)


def _wire_of_key(headers: dict[str, str]) -> str:
    """Three providers list their models at the same path; they are told apart by how the key is sent."""
    if "anthropic-version" in headers or "x-api-key" in headers:
        return "anthropic"
    return "google" if "x-goog-api-key" in headers else "openai"
