"""S3, Google Cloud Storage and Azure Blob Storage through obstore, as one `Store`.

Credentials, region and endpoint come from each cloud's standard variables. obstore's own retries are off: a
retried conditional write would report our own landed write as a conflict. Plain http only to an http:// endpoint.
"""

from __future__ import annotations

import configparser
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

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

CloudClient = S3Store | GCSStore | AzureStore

# The services' words for what no retry can cure; obstore has them only in its messages.
_HOPELESS = {
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key does not fit; check AWS_SECRET_ACCESS_KEY",
    "NoSuchBucket": "there is no such bucket",
    "AuthorizationHeaderMalformed": "the region does not fit the bucket; set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "http is not allowed": "plain http is used only where the endpoint variable says http://",
    "URL scheme is not allowed": "plain http is used only where the endpoint variable says http://",
    "MissingRegion": "set AWS_REGION",
    "ExpiredToken": "the session token has expired; renew the credentials and run again",
    "169.254.169.254": "no credentials found; set the cloud's variables (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "or AWS_PROFILE)",
}


class CloudStore:
    """One prefix of one bucket or container."""

    def __init__(self, client: CloudClient, url: str, *, commit_gap: float = 0.0) -> None:
        self._client = client
        self.url = url
        self.commit_gap = commit_gap

    async def get(self, key: str) -> Object | None:
        try:
            found = await obstore.get_async(self._client, key)
            body = await found.bytes_async()
        except FileNotFoundError:
            return None
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc
        return Object(bytes(body), _tag(found.meta))

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
            return _tag(await obstore.put_async(self._client, key, body, mode=mode, use_multipart=False))
        except (AlreadyExistsError, PreconditionError) as exc:
            raise Conflict(f"{key}: {_brief(exc)}") from exc
        except FileNotFoundError as exc:
            if isinstance(mode, dict):
                raise
            raise SetupError(f"{self.url}: there is no such bucket or container") from exc
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc

    async def delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._client, key)
        except FileNotFoundError:
            return
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, key) from exc

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        try:
            listing: AsyncIterator[Any] = obstore.list(self._client, prefix or None, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
            async for chunk in listing:
                for meta in chunk:
                    mark = meta["e_tag"] or meta["version"] or f"{meta['last_modified'].timestamp()}-{meta['size']}"
                    yield Entry(meta["path"], meta["size"], mark)
        except FileNotFoundError as exc:
            raise SetupError(f"{self.url}: there is no such bucket or container") from exc
        except (BaseError, ValueError, OSError) as exc:
            raise self._ours(exc, prefix) from exc

    def _ours(self, exc: Exception, key: str) -> CounterfoilError:
        text = str(exc)
        for word, remedy in _HOPELESS.items():
            if word in text:
                return SetupError(f"{self.url}: {remedy}")
        if isinstance(exc, (PermissionDeniedError, UnauthenticatedError)):
            return SetupError(f"{self.url}: access to {key!r} was denied; check the credentials and their rights")
        if isinstance(exc, (InvalidPathError, NotSupportedError, UnknownConfigurationKeyError, ValueError)):
            return SetupError(f"{self.url}: {key!r} can't be used there: {_brief(exc)}")
        return Unavailable(f"{self.url}: {key!r}: {_brief(exc)}")


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
            return CloudStore(GCSStore(bucket, client_options=_client_options(""), **shared), where, commit_gap=1.0)
        endpoint = environ.get("AZURE_STORAGE_ENDPOINT", environ.get("AZURE_ENDPOINT", ""))
        return CloudStore(AzureStore(bucket, client_options=_client_options(endpoint), **shared), where)
    except (BaseError, ValueError) as exc:
        raise SetupError(f"{where}: {_brief(exc)}; check this cloud's credential variables") from exc


def _client_options(endpoint: str) -> Any:
    return {
        "allow_http": endpoint.startswith("http://"),
        "timeout": timedelta(seconds=30),
        "connect_timeout": timedelta(seconds=5),
        "pool_idle_timeout": timedelta(seconds=60),
    }


def _open_s3(bucket: str, prefix: str, where: str, environ: Mapping[str, str]) -> CloudStore:
    config = _s3_profile(environ)
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or config.pop("endpoint", "")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or config.pop("region", "us-east-1")
    options: dict[str, Any] = {"region": region, **({"endpoint": endpoint} if endpoint else {}), **config}
    client = S3Store(
        bucket,
        prefix=prefix or None,
        client_options=_client_options(endpoint),
        retry_config={"max_retries": 0},
        **options,
    )
    # Cloudflare R2 allows one write a second to one object.
    return CloudStore(client, where, commit_gap=1.0 if "r2.cloudflarestorage.com" in endpoint else 0.0)


def _s3_profile(environ: Mapping[str, str]) -> dict[str, Any]:
    """Region, endpoint and keys of the chosen profile of the shared AWS files, where no variable gives them."""
    home = Path(environ.get("HOME", "~")).expanduser() / ".aws"
    name = environ.get("AWS_PROFILE", environ.get("AWS_DEFAULT_PROFILE", "default"))
    files = configparser.RawConfigParser()
    config = environ.get("AWS_CONFIG_FILE", home / "config")
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")
    try:
        files.read([config, credentials], encoding="utf-8")
    except configparser.Error as exc:
        raise SetupError(f"the AWS profile files can't be read: {_brief(exc)}") from exc
    found: dict[str, str] = {}
    for section in (f"profile {name}", name):
        found |= dict(files.items(section)) if files.has_section(section) else {}
    if not found and environ.get("AWS_PROFILE"):
        raise SetupError(f"AWS_PROFILE={name}: no such profile in {config} or {credentials}")
    names = {"region": "region", "endpoint_url": "endpoint"}
    if not environ.get("AWS_ACCESS_KEY_ID"):
        if found and "aws_access_key_id" not in found and environ.get("AWS_PROFILE"):
            return {"credential_provider": _boto3_credentials(name)} | _renamed(found, names)
        names |= {
            "aws_access_key_id": "access_key_id",
            "aws_secret_access_key": "secret_access_key",
            "aws_session_token": "session_token",
        }
    return _renamed(found, names)


def _renamed(found: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    return {new: found[old] for old, new in names.items() if old in found}


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
