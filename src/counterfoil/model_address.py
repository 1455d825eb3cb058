"""Where a model's server is and which key it gets, from the standard variables of each provider. Checked at once,
before anything heavy is imported or anything is opened; nothing is sent anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

from .errors import SetupError

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
GOOGLE = "https://generativelanguage.googleapis.com"

_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_AZURE_DEPLOYMENT = "/openai/deployments/"
# A token of Entra ID is a JSON Web Token; a key of Azure has no dots.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL without a trailing slash and without a query, and what goes with every request: `headers` that bear
    the key, `query`. `key` is "" for none; no representation shows it. `variables` are those to check when refused."""

    url: str
    key: str = field(repr=False)
    variables: str = "OPENAI_API_KEY and OPENAI_BASE_URL"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class AwsAddress:
    """What is given of Amazon's set-up, "" for what isn't: there boto3 looks in its files and asks the machine."""

    region: str
    endpoint: str
    profile: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    token: str = field(repr=False)


def openai_address(environ: Mapping[str, str]) -> Address:
    """OPENAI_BASE_URL, with OPENAI_API_KEY, which only OpenAI's own address and Azure's must have.

    An address of Azure may be that of the resource, of its `/openai/v1`, or of a deployment, which needs an API version
    (`?api-version=`, or OPENAI_API_VERSION); its key may be in AZURE_OPENAI_API_KEY. Raises `SetupError`.
    """
    parts = _parts(environ, "OPENAI_BASE_URL", OPENAI)
    host, path, query = parts.hostname or "", parts.path.rstrip("/"), dict(parse_qsl(parts.query))
    azure = host.endswith(_AZURE_HOSTS)
    key = _key(environ, "OPENAI_API_KEY", *(["AZURE_OPENAI_API_KEY"] if azure else []))
    if not key and (azure or host == urlsplit(OPENAI).hostname):
        raise SetupError("no key for the OpenAI API: set OPENAI_API_KEY, or OPENAI_BASE_URL to use another server")
    if azure and not path:
        path = "/openai/v1"
    if _AZURE_DEPLOYMENT in f"{path}/" and "api-version" not in query:
        query["api-version"] = _api_version(environ)
    by_key = key and (azure or "api-version" in query) and not _TOKEN.fullmatch(key)
    headers = {"api-key": key} if by_key else {"Authorization": f"Bearer {key}"} if key else {}
    return Address(f"{parts.scheme}://{parts.netloc}{path}", key, headers=headers, query=query)


def anthropic_address(environ: Mapping[str, str]) -> Address:
    """ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL."""
    return _plain(environ, "ANTHROPIC_BASE_URL", ANTHROPIC, "the Anthropic API", "ANTHROPIC_API_KEY")


def google_address(environ: Mapping[str, str]) -> Address:
    """GOOGLE_API_KEY or GEMINI_API_KEY, GOOGLE_GEMINI_BASE_URL."""
    return _plain(
        environ, "GOOGLE_GEMINI_BASE_URL", GOOGLE, "the Gemini API of Google", "GOOGLE_API_KEY", "GEMINI_API_KEY"
    )


def bedrock_address(environ: Mapping[str, str]) -> AwsAddress:
    """The variables of AWS; AWS_ENDPOINT_URL_BEDROCK_RUNTIME for another address, and no other variable for that."""
    endpoint = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
    if environ.get(endpoint, "").strip():
        _parts(environ, endpoint, "https://bedrock-runtime.REGION.amazonaws.com")
    return AwsAddress(
        region=environ.get("AWS_REGION", "").strip() or environ.get("AWS_DEFAULT_REGION", "").strip(),
        endpoint=environ.get(endpoint, "").strip(),
        profile=environ.get("AWS_PROFILE", "").strip(),
        access_key=_key(environ, "AWS_ACCESS_KEY_ID"),
        secret_key=_key(environ, "AWS_SECRET_ACCESS_KEY"),
        session_token=_key(environ, "AWS_SESSION_TOKEN"),
        token=_key(environ, "AWS_BEARER_TOKEN_BEDROCK"),
    )


def _plain(environ: Mapping[str, str], url_variable: str, default: str, api: str, *keys: str) -> Address:
    parts = _parts(environ, url_variable, default)
    key = _key(environ, *keys)
    if not key:
        raise SetupError(f"no key for {api}: set {keys[0]}")
    if parts.query:
        raise SetupError(f"{url_variable} must be an address without a query, such as {default}")
    url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return Address(url, key, f"{keys[0]} and {url_variable}")


def _parts(environ: Mapping[str, str], variable: str, default: str) -> SplitResult:
    try:
        parts = urlsplit(environ.get(variable, "").strip() or default)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise SetupError(f"{variable} is not an address; it looks like {default}") from exc
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise SetupError(f"{variable} must be http(s)://host/path, such as {default}, without a name or password in it")
    return parts


def _key(environ: Mapping[str, str], *variables: str) -> str:
    variable = next((name for name in variables if environ.get(name, "").strip()), variables[0])
    key = environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SetupError(f"{variable} has characters that can't be sent; copy the key again")
    return key


def _api_version(environ: Mapping[str, str]) -> str:
    version = environ.get("OPENAI_API_VERSION", "").strip()
    if not version:
        raise SetupError(
            "OPENAI_BASE_URL is a deployment of Azure, which needs an API version: set OPENAI_API_VERSION, or use "
            "https://RESOURCE.openai.azure.com/openai/v1"
        )
    return version
