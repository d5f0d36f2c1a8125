"""What the environment says of the network: addresses, header values, certificates and proxies, each held to what can
be used. A ConfigError names the variable, and never shows its value: there may be a password in it.

The standard library is all that this needs, so that `orch doctor --offline` can look at everything.
"""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import os
import ssl
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

from ..deferred import dataclass
from ..distribution import with_extra
from ..errors import ConfigError
from ..expressions import expression
from ..registry.providers import Environ, setting

_SCHEMES = ("http", "https")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")  # what httpx2 can speak to
_BLANK_OR_HIDDEN = expression(r"[\s\x00-\x1f\x7f]")
_ESCAPES = "characters such as # / ? @ in a user name or a password are written as %23 %2F %3F %40"

# Where certificates of authorities are looked for: the first that is set counts. The first two are OpenSSL's, the
# others those of requests and curl, which many a company sets for all of its machines.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_HASHED = expression(r"[0-9a-f]{8}\.\d+")  # how OpenSSL looks up a certificate in a folder
BILLED_TO = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # whom OpenAI is to bill, in headers


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send to: `base_url` without what may stand around it. `query`, without its question mark, belongs to
    every request; `authorization` is the header that a user name and a password stand for. `version` is the ending that
    was taken off the path."""

    base_url: str
    query: str = ""
    authorization: str | None = None
    version: str | None = None


def address(text: str, what: str, endings: Sequence[str] = ()) -> Address:
    """An http or https address taken apart. What the SDK adds to the path by itself is taken off its end: `endings`.

    Raises ConfigError: `what`, in words, is none.
    """
    parts = _split(text)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigError(
            f"{what} is not an http or https address",
            hint=f"it looks like https://api.example.com/v1, with the scheme in front; {_ESCAPES}",
        )
    path = parts.path.rstrip("/")
    ending = next((ending for ending in endings if path.endswith(f"/{ending}")), None)
    place = parts.netloc.rpartition("@")[2]
    bare = SplitResult(parts.scheme, place, path.removesuffix(f"/{ending or ''}"), "", "")
    return Address(bare.geturl(), parts.query, _basic(parts), ending)


def header_value(variable: str, environ: Environ) -> str | None:
    """A variable that is sent as a header, without white space around it. Raises ConfigError if none can hold it."""
    value = setting(environ, variable)
    if value is not None and not _fits_a_header(value):
        raise ConfigError(f"{variable} holds a line end or another character that no header can hold")
    return value


def is_sendable(key: str) -> bool:
    """Whether a key can be one, and be sent in a header."""
    return _fits_a_header(key) and " " not in key


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it. `url` may hold a password."""

    variable: str
    url: str


def proxy_for(base_url: str, environ: Environ) -> Proxy | None:
    """The proxy that requests to this address go through: as the standard library finds it, on macOS and Windows in the
    system's settings too. Raises ConfigError if it cannot be used; nothing is said of one that is not needed."""
    proxies, parts = getproxies(), urlsplit(base_url)
    scheme = next((kind for kind in (parts.scheme, "all") if (proxies.get(kind) or "").strip()), None)
    if scheme is None or is_exempt(parts, proxies.get("no", "")):
        return None
    return checked_proxy(proxies[scheme], _proxy_variable(scheme, environ))


def all_proxies(environ: Environ) -> Iterable[tuple[str, str]]:
    """Every proxy that is set: the variable and its value."""
    proxies = getproxies()
    return [(_proxy_variable(kind, environ), proxies[kind]) for kind in ("http", "https", "all") if proxies.get(kind)]


def checked_proxy(value: str, variable: str) -> Proxy:
    """Raises ConfigError for what is no address of a proxy that can be spoken to."""
    text = value.strip()
    text = text if "://" in text else f"http://{text}"
    parts = _split(text)
    if parts is None or not parts.hostname:
        raise ConfigError(
            f"{variable} is not the address of a proxy", hint=f"it looks like http://proxy.example.com:3128; {_ESCAPES}"
        )
    if parts.scheme not in _PROXY_SCHEMES:
        raise ConfigError(
            f"{variable} names a kind of proxy that is not supported: {parts.scheme[:20]}",
            hint=f"there are: {', '.join(_PROXY_SCHEMES)}",
        )
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ConfigError(
            f"{variable} names a SOCKS proxy, which needs a package that is not installed",
            hint=f"{with_extra('socks')}, or put the hosts that need no proxy into NO_PROXY",
        )
    return Proxy(variable, text)


def is_exempt(target: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY names the address, as curl, Go and Python take it: `*`, a host and all below it (`.example.com`
    and `*.example.com` alike), an IP address or a network, each with a port or without. What is none of these names
    nothing."""
    host, port = (target.hostname or "").rstrip("."), target.port or {"http": 80, "https": 443}.get(target.scheme)
    return any(_names(rule.lower(), host, port) for rule in no_proxy.replace(",", " ").split())


def _names(rule: str, host: str, port: int | None) -> bool:
    if rule == "*":
        return True
    rule = rule.partition("://")[2] or rule
    if (ip := _ip(host)) is not None and "/" in rule:
        try:
            return ip in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    rule = rule.partition("/")[0]
    if _ip(rule) is None:  # an IPv6 address is full of colons
        rule, _, only = rule.rpartition(":") if rule.rpartition(":")[2].isdigit() else (rule, "", "")
        if only and int(only) != port:
            return False
    if ip is not None:
        return _ip(rule) == ip
    name = rule.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def certificate_paths(environ: Environ) -> tuple[str, str] | None:
    """The variable that says which authorities are trusted, and where it points; None for the system's own."""
    return next(((name, path) for name in CERTIFICATES if (path := setting(environ, name)) is not None), None)


def tls_context(environ: Environ) -> ssl.SSLContext:
    """What connections check certificates by. Reading the system's takes 20 ms, so it is kept. Raises ConfigError."""
    return _tls_context(certificate_paths(environ))


@lru_cache(4)
def _tls_context(named: tuple[str, str] | None) -> ssl.SSLContext:
    if named is None:
        import httpx2  # heavy

        return httpx2.create_ssl_context()
    variable, path = named
    folders = [folder for folder in path.split(os.pathsep) if Path(folder).is_dir()]
    is_folder = variable == "SSL_CERT_DIR" or (variable != "SSL_CERT_FILE" and bool(folders))
    try:
        if not is_folder:
            return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"{variable} {_what_is_wrong(path, error)}: {path}", hint=_CERTIFICATES_HINT) from error
    if not any(_HASHED.fullmatch(entry) for folder in folders for entry in _entries(folder)):
        wrong = "holds no certificates by which OpenSSL could find them" if folders else "is not there"
        raise ConfigError(
            f"{variable} names a folder that {wrong}: {path}",
            hint=f"`openssl rehash FOLDER` gives certificates the names that are needed; {_CERTIFICATES_HINT}",
        )
    return ssl.create_default_context(capath=path)


_CERTIFICATES_HINT = "unset it to trust the authorities that the system trusts"


def _what_is_wrong(path: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "names a file that is not there"
    if isinstance(error, PermissionError):
        return "names a file that cannot be read"
    return "names a folder, not a file" if Path(path).is_dir() else "names a file without certificates"


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names are all that is needed
    except OSError:
        return []


def _proxy_variable(kind: str, environ: Mapping[str, str]) -> str:
    """The name under which a proxy is set: in small letters it goes before."""
    names = [name for name, value in environ.items() if name.lower() == f"{kind}_proxy" and value]
    return min(names, key=lambda name: not name.islower(), default="the proxy in the system's settings")


def _split(text: str) -> SplitResult | None:
    """An address taken apart; None for what is none: white space in it, a port that is no port."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        good = parts.port != 0 and not _BLANK_OR_HIDDEN.search(text)
        parts.hostname and parts.hostname.encode("idna")
    except (ValueError, UnicodeError):
        return None
    return parts if good else None


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None and parts.password is None:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None
