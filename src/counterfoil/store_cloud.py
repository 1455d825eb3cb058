"""S3, Google Cloud Storage and Azure Blob Storage through obstore, as one `Store`.

Credentials, region and endpoint come from each cloud's standard variables. obstore's own retries are off: a
retried conditional write would report our own landed write as a conflict. Plain http only to an http:// endpoint.
"""

from __future__ import annotations

import asyncio
import atexit
import configparser
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from .errors import Conflict, CounterfoilError, SetupError, Unavailable
from .store import Entry, Object

# The client's threads let go of Python objects a moment after their answer is here; a thread that comes to do so after
# the interpreter has gone aborts the process (PyO3 before Python 3.14). Sleeping gives them that moment.
atexit.register(time.sleep, 0.05)

T = TypeVar("T")
CloudClient = S3Store | GCSStore | AzureStore

# The services' words for what no retry can cure; obstore has them only in its messages.
_HOPELESS = {
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key does not fit; check AWS_SECRET_ACCESS_KEY",
    "NoSuchBucket": "there is no such bucket",
    "AuthorizationHeaderMalformed": "the region does not fit the bucket; set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "redirect without LOCATION": "the bucket is in another region; set AWS_REGION",
    "BadScheme": "plain http is used only where the endpoint variable says http://",
    "URL scheme is not allowed": "plain http is used only where the endpoint variable says http://",
    "MissingRegion": "set AWS_REGION",
    "ExpiredToken": "the session token has expired; renew the credentials and run again",
    "Failed to read token file": "the file that AWS_WEB_IDENTITY_TOKEN_FILE names can't be read",
}
# Where a client looks last for credentials: the machine's own role. Elsewhere that address may swallow every packet.
_METADATA = ("/latest/api/token", "/latest/meta-data", "/metadata/identity", "/computeMetadata/")
_METADATA_PATIENCE = 5.0
_NO_CREDENTIALS = (
    "no credentials found, neither in the cloud's variables (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_KEY) nor as a role of this machine"
)


class CloudStore:
    """One prefix of one bucket or container. `by_role`: the only credentials can be a role of this machine."""

    def __init__(self, client: CloudClient, url: str, *, commit_gap: float = 0.0, by_role: bool = False) -> None:
        self._client = client
        self.url = url
        self.commit_gap = commit_gap
        self._patience = _METADATA_PATIENCE if by_role else None

    async def _asked(self, request: Awaitable[T]) -> T:
        """Until the machine's role has once been good for an answer, waits for one only so long."""
        try:
            async with asyncio.timeout(self._patience):
                answer = await request
        except TimeoutError as exc:
            raise SetupError(f"{self.url}: {_NO_CREDENTIALS}") from exc
        self._patience = None
        return answer

    async def get(self, key: str) -> Object | None:
        try:
            found = await self._asked(obstore.get_async(self._client, key))
            body = await found.bytes_async()
        except FileNotFoundError as exc:
            if "NoSuchBucket" in str(exc):
                raise self._ours(exc, key) from exc
            return None
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc
        return Object(bytes(body), _tag(found.meta))

    async def look(self, key: str) -> Entry | None:
        try:
            return _entry(await self._asked(obstore.head_async(self._client, key)))
        except FileNotFoundError:
            return None
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._put(key, body, "create")

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        e_tag, _, version = tag.rpartition("|")
        mode: dict[str, str] = {"e_tag": e_tag} if e_tag else {}
        if version:
            mode["version"] = version
        try:
            return await self._put(key, body, mode)
        except FileNotFoundError as exc:
            raise Conflict(f"{key} is gone") from exc

    async def put(self, key: str, body: bytes) -> None:
        await self._put(key, body, "overwrite")

    async def _put(self, key: str, body: bytes, mode: Any) -> str:
        try:
            put = obstore.put_async(self._client, key, body, mode=mode, use_multipart=False)
            return _tag(await self._asked(put))
        except (AlreadyExistsError, PreconditionError) as exc:
            if mode == "overwrite":  # it had no condition: a 409 only says that something else goes on there now
                raise self._ours(exc, key) from exc
            raise Conflict(f"{key}: {_brief(exc)}") from exc
        except FileNotFoundError as exc:
            if isinstance(mode, dict):
                raise
            raise SetupError(f"{self.url}: there is no such bucket or container") from exc
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc

    async def delete(self, key: str) -> None:
        try:
            await self._asked(obstore.delete_async(self._client, key))
        except FileNotFoundError:
            return
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        try:
            listing: AsyncIterator[Any] = obstore.list(self._client, prefix or None, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
            while chunk := await self._asked(anext(listing, None)):
                for meta in chunk:
                    if meta["size"] == 0 and await self._is_folder_marker(meta["path"]):
                        continue
                    yield _entry(meta)
        except FileNotFoundError as exc:
            raise SetupError(f"{self.url}: there is no such bucket or container") from exc
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, prefix) from exc

    async def _is_folder_marker(self, key: str) -> bool:
        """Consoles make an empty object `folder/` for a folder; the client lists it as `folder`, which is no object."""
        return not key or await self.look(key) is None

    def _ours(self, exc: Exception, key: str) -> CounterfoilError:
        text = str(exc)
        if self._patience and any(word in text for word in _METADATA):
            return SetupError(f"{self.url}: {_NO_CREDENTIALS}")
        if "Encountered object with invalid path" in text:
            return SetupError(
                f"{self.url}: an object there has a key that can't be used (a control character, or an empty, '.' or "
                f"'..' part between slashes); rename it, or name a prefix without it: {_brief(exc)}"
            )
        for word, remedy in _HOPELESS.items():
            if word in text:
                return SetupError(f"{self.url}: {remedy}")
        if isinstance(exc, (PermissionDeniedError, UnauthenticatedError)):
            return SetupError(f"{self.url}: access to {key!r} was denied; check the credentials and their rights")
        if isinstance(exc, (InvalidPathError, NotSupportedError, UnknownConfigurationKeyError, ValueError)):
            return SetupError(f"{self.url}: {key!r} can't be used there: {_brief(exc)}")
        return Unavailable(f"{self.url}: {key!r}: {_brief(exc)}")


def _entry(meta: Any) -> Entry:
    mark = meta["e_tag"] or meta["version"] or f"{meta['last_modified'].timestamp()}-{meta['size']}"
    return Entry(meta["path"], meta["size"], mark)


def _brief(exc: Exception) -> str:
    """The first line of a foreign error, short enough for a sentence."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200]


def _tag(meta: Any) -> str:
    """GCS compares versions (generations), S3 and Azure entity tags: a tag carries both."""
    return f"{meta.get('e_tag') or ''}|{meta.get('version') or ''}"


def open_cloud(scheme: str, bucket: str, prefix: str, environ: Mapping[str, str]) -> CloudStore:
    """A store for `scheme`://`bucket`/`prefix`; raises `SetupError` for what can be seen without a request."""
    where = f"{scheme}://{bucket}/{prefix}".rstrip("/")
    try:
        if scheme == "s3":
            return _open_s3(bucket, prefix, where, environ)
        shared: dict[str, Any] = {"prefix": prefix or None, "retry_config": {"max_retries": 0}}
        if scheme == "gs":
            client = GCSStore(bucket, client_options=_client_options(""), **shared)
            return CloudStore(client, where, commit_gap=1.0, by_role=not _any_of(environ, _GOOGLE_CREDENTIALS))
        endpoint = environ.get("AZURE_STORAGE_ENDPOINT", environ.get("AZURE_ENDPOINT", ""))
        client = AzureStore(bucket, client_options=_client_options(endpoint), **shared)
        return CloudStore(client, where, by_role=not _any_of(environ, _AZURE_CREDENTIALS))
    except (BaseError, ValueError) as exc:
        raise SetupError(f"{where}: {_brief(exc)}; check this cloud's variables") from exc


def _client_options(endpoint: str) -> Any:
    """Raises ValueError for an endpoint that is no URL: the client would panic at the first request."""
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0):
        raise ValueError(f"the endpoint {endpoint!r} is not of the form https://host[:port]")
    return {
        "allow_http": parts.scheme == "http",
        "timeout": timedelta(seconds=30),
        "connect_timeout": timedelta(seconds=5),
        "pool_idle_timeout": timedelta(seconds=60),
    }


def _any_of(environ: Mapping[str, str], names: frozenset[str]) -> bool:
    return any(environ.get(name) for name in names)


_GOOGLE_CREDENTIALS = frozenset(
    f"GOOGLE_{name}"
    for name in "APPLICATION_CREDENTIALS SERVICE_ACCOUNT SERVICE_ACCOUNT_KEY SERVICE_ACCOUNT_PATH".split()
)
_AZURE_CREDENTIALS = frozenset(
    f"AZURE_{name}"
    for name in "STORAGE_ACCOUNT_KEY STORAGE_KEY STORAGE_SAS_TOKEN STORAGE_SAS_KEY CLIENT_SECRET FEDERATED_TOKEN_FILE "
    "STORAGE_TOKEN STORAGE_CLIENT_SECRET STORAGE_USE_EMULATOR USE_AZURE_CLI SKIP_SIGNATURE".split()
)
# Credentials of containers (ECS, EKS) and of Kubernetes service accounts, which the client finds by itself.
_AWS_WORKLOAD = frozenset(
    f"AWS_{name}"
    for name in "WEB_IDENTITY_TOKEN_FILE CONTAINER_CREDENTIALS_RELATIVE_URI CONTAINER_AUTHORIZATION_TOKEN_FILE".split()
)
_AWS_KEYS = ("access_key_id", "secret_access_key", "session_token")
# What a profile has that signs on, assumes a role or runs a process for its keys.
_AWS_SIGN_ON = frozenset("role_arn sso_session sso_start_url credential_process web_identity_token_file".split())


def _open_s3(bucket: str, prefix: str, where: str, environ: Mapping[str, str]) -> CloudStore:
    profile = _s3_profile(environ)
    named = (environ.get(f"AWS_{name}") for name in ("ENDPOINT_URL_S3", "ENDPOINT_URL", "ENDPOINT"))
    endpoint = next(filter(None, named), profile.get("endpoint_url", ""))
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profile.get("region", "us-east-1")
    credentials = _s3_credentials(profile, environ)
    options: dict[str, Any] = {"region": region, **({"endpoint": endpoint} if endpoint else {}), **credentials}
    client = S3Store(
        bucket,
        prefix=prefix or None,
        client_options=_client_options(endpoint),
        retry_config={"max_retries": 0},
        **options,
    )
    by_role = not credentials and not _any_of(environ, _AWS_WORKLOAD)
    # Cloudflare R2 allows one write a second to one object.
    return CloudStore(client, where, commit_gap=1.0 if "r2.cloudflarestorage.com" in endpoint else 0.0, by_role=by_role)


def _s3_profile(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The chosen profile of the shared AWS files, empty if there is none and none was asked for."""
    home = Path(environ.get("HOME", "~")).expanduser() / ".aws"
    asked = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    name = asked or "default"
    files = configparser.RawConfigParser()
    config = environ.get("AWS_CONFIG_FILE") or home / "config"
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"
    try:
        files.read([config, credentials], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as exc:
        raise SetupError(f"the AWS profile files can't be read: {_brief(exc)}") from exc
    found: dict[str, str] = {"name": name}
    sections = [section for section in (f"profile {name}", name) if files.has_section(section)]
    for section in sections:
        found |= dict(files.items(section))
    if asked and not sections:
        raise SetupError(f"AWS_PROFILE={name}: no such profile in {config} or {credentials}")
    return found


def _s3_credentials(profile: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Keys of the variables, else of the profile; empty where only a workload's or a machine's role can be meant."""
    for keys in ({key.lower(): value for key, value in environ.items() if value}, profile):
        if "aws_access_key_id" in keys:
            return {key: keys[f"aws_{key}"] for key in _AWS_KEYS if f"aws_{key}" in keys}
    if _AWS_SIGN_ON & profile.keys() and not _any_of(environ, _AWS_WORKLOAD):
        return {"credential_provider": _boto3_credentials(profile["name"])}
    return {}


def _boto3_credentials(profile: str) -> Any:
    """Credentials of a profile that signs on, assumes a role or runs a process: boto3 knows how."""
    try:
        import boto3  # pyright: ignore[reportMissingTypeStubs]
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as exc:
        raise SetupError(
            f"AWS_PROFILE={profile} has no keys of its own (single sign-on or a role); pip install 'counterfoil[aws]'"
        ) from exc
    return Boto3CredentialProvider(boto3.Session(profile_name=profile))
