"""Where a model's server is and which key it gets, from the standard variables. Checked at once, before anything heavy
is imported or anything is opened; nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import SetupError

DEFAULT_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL without a trailing slash, and the key ("" for none), which no representation shows."""

    url: str
    key: str = field(repr=False)


def openai_address(environ: Mapping[str, str]) -> Address:
    """OPENAI_BASE_URL, with OPENAI_API_KEY, which only OpenAI's own address must have. Raises `SetupError`."""
    url = (environ.get("OPENAI_BASE_URL", "").strip() or DEFAULT_BASE_URL).rstrip("/")
    key = environ.get("OPENAI_API_KEY", "").strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise SetupError("OPENAI_BASE_URL is not an address; it looks like https://host/v1") from exc
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise SetupError("OPENAI_BASE_URL must be http(s)://host/v1 without a name or password in it")
    if not key and host == urlsplit(DEFAULT_BASE_URL).hostname:
        raise SetupError("no key for the OpenAI API: set OPENAI_API_KEY, or OPENAI_BASE_URL to use another server")
    if not (key.isascii() and key.isprintable()):
        raise SetupError("OPENAI_API_KEY has characters that can't be sent; copy the key again")
    return Address(url, key)
