"""Models on Amazon Bedrock, by its Converse API. It promises that the library's own retries are off, and that the
constant part of the prompt is marked for the provider's cache where a model has one.

boto3 blocks, so each call in flight has a thread; one that is abandoned keeps it until `READ_SECONDS` are over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
import botocore.session  # pyright: ignore[reportMissingTypeStubs]
from anyio import to_thread
from botocore import exceptions as theirs  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from botocore.tokens import FrozenAuthToken  # pyright: ignore[reportMissingTypeStubs]
from pydantic_ai.models.bedrock import BedrockConverseModel, BedrockModelSettings
from pydantic_ai.providers.bedrock import BedrockProvider

from .errors import SetupError
from .model import Model
from .model_address import Address, AwsAddress
from .model_pydantic import CONNECT_SECONDS, MOST_TOKENS, ProviderModel

READ_SECONDS = 150.0
"""A little longer than callers wait for an answer."""

_SETUP_ERRORS = (
    theirs.NoCredentialsError,
    theirs.PartialCredentialsError,
    theirs.CredentialRetrievalError,
    theirs.TokenRetrievalError,
    theirs.SSOError,
    theirs.NoAuthTokenError,
)


@asynccontextmanager
async def open_bedrock(name: str, aws: AwsAddress, *, concurrency: int) -> AsyncGenerator[Model]:
    """The model `name` (a model's or an inference profile's id) in the region of `aws`."""
    client = await asyncio.to_thread(_client, aws, concurrency)
    limiter = to_thread.current_default_thread_limiter()
    limiter.total_tokens = max(limiter.total_tokens, concurrency)
    try:
        model = BedrockConverseModel(name, provider=BedrockProvider(bedrock_client=client))
        settings = BedrockModelSettings(bedrock_cache_instructions=True)
        if model.profile.get("anthropic_max_output_tokens"):  # others have limits of their own, that only Bedrock knows
            settings["max_tokens"] = MOST_TOKENS
        address = Address(
            str(client.meta.endpoint_url), aws.token or aws.secret_key, "AWS_REGION and the credentials of AWS"
        )
        yield ProviderModel(f"bedrock:{name}", model, address, settings, setup_errors=_SETUP_ERRORS)
    finally:
        client.close()


def _client(aws: AwsAddress, concurrency: int) -> Any:
    """Blocks: whose credentials these are may be asked of a file or of the machine."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=concurrency,
        # AWS_ENDPOINT_URL is where the bucket is; what is said to a model goes nowhere that isn't named for it.
        ignore_configured_endpoint_urls=True,
        **({"signature_version": "bearer"} if aws.token else {}),
    )
    try:
        session = _session(aws)
        if not aws.token and session.get_credentials() is None:
            raise SetupError(
                "no credentials for Amazon Bedrock: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE, or AWS_BEARER_TOKEN_BEDROCK"
            )
        return cast("Any", session).client("bedrock-runtime", config=config, endpoint_url=aws.endpoint or None)
    except theirs.NoRegionError as exc:
        raise SetupError("no region for Amazon Bedrock: set AWS_REGION") from exc
    except theirs.BotoCoreError as exc:
        raise SetupError(f"Amazon Bedrock can't be opened: {exc}; check AWS_REGION and the credentials of AWS") from exc


def _session(aws: AwsAddress) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=aws.access_key or None,
        aws_secret_access_key=aws.secret_key or None,
        aws_session_token=aws.session_token or None,
        region_name=aws.region or None,
        profile_name=aws.profile or None,
        botocore_session=_TokenSession(aws.token) if aws.token else None,
    )


class _TokenSession(botocore.session.Session):
    """A session that has an API key of Bedrock and no other credentials."""

    def __init__(self, token: str) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._token = token

    def get_auth_token(self, **_: object) -> FrozenAuthToken:
        return FrozenAuthToken(self._token)

    def get_credentials(self, *_: object) -> None:
        return None
