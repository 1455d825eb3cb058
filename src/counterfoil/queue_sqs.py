"""An SQS queue: messages are received, hidden from others for a while, and deleted by whoever has dealt with them.

It promises that nothing is deleted unless it was asked for, and that errors are `SetupError` (a person must mend it)
or `Unavailable` (it may pass). boto3 does the talking, in threads of its own that nobody waits for at the end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from .errors import CounterfoilError, SetupError, Unavailable

T = TypeVar("T")
TAKERS = 4
"""How many take messages at once, ten each."""
HIDDEN = 180
"""Seconds that a received message is hidden from others: longer than its plan may take while the store is slow."""
_WAIT = 20  # the longest that SQS holds a question until there is an answer
_AT_ONCE = 10
_MAY_PASS = frozenset({"RequestThrottled", "ThrottlingException", "Throttling", "OverLimit", "KmsThrottled"})


@dataclass(frozen=True, slots=True)
class Message:
    """`receipt` is by what it is deleted, `received` how often it has been handed out, this time included."""

    id: str
    body: str
    receipt: str
    received: int


class Queue(Protocol):
    """Hands every message out until it is deleted, now and then twice: at least once."""

    async def receive(self) -> Sequence[Message]:
        """A few messages, none after a while without any."""
        ...

    async def delete(self, messages: Sequence[Message]) -> None:
        """Takes messages off the queue."""
        ...


class SqsQueue:
    """One queue; make one with `open_queue`."""

    def __init__(self, client: Any, url: str, threads: ThreadPoolExecutor) -> None:
        self._client, self._url, self._threads = client, url, threads

    async def receive(self) -> Sequence[Message]:
        answer: Mapping[str, Any] = await self._asked(
            self._client.receive_message,
            MaxNumberOfMessages=_AT_ONCE,
            WaitTimeSeconds=_WAIT,
            VisibilityTimeout=HIDDEN,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [_message(told) for told in answer.get("Messages", ())]

    async def delete(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), _AT_ONCE):
            given = messages[start : start + _AT_ONCE]
            entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(given)]
            # One that is refused (its time is over) comes again, and is known by then.
            await self._asked(self._client.delete_message_batch, Entries=entries)

    async def _asked(self, operation: Callable[..., T], **what: Any) -> T:
        from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

        call = partial(operation, QueueUrl=self._url, **what)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (BotoCoreError, ClientError) as exc:
            raise _ours(exc, self._url) from exc


def _message(told: Mapping[str, Any]) -> Message:
    received = int(told.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Message(told["MessageId"], told["Body"], told["ReceiptHandle"], received)


def _ours(exc: Exception, url: str) -> CounterfoilError:
    from botocore.exceptions import ClientError, HTTPClientError  # pyright: ignore[reportMissingTypeStubs]

    said = f"the queue {url}: {exc}"
    if isinstance(exc, HTTPClientError):
        return Unavailable(said)
    if isinstance(exc, ClientError):
        told = cast("Mapping[str, Mapping[str, Any]]", exc.response)  # pyright: ignore[reportUnknownMemberType]
        status = told["ResponseMetadata"].get("HTTPStatusCode", 500)
        if status >= 500 or status == 429 or told["Error"].get("Code", "") in _MAY_PASS:
            return Unavailable(said)
    return SetupError(f"{said}; check --queue, AWS_REGION, the credentials and their rights on the queue")


@asynccontextmanager
async def open_queue(url: str, environ: Mapping[str, str]) -> AsyncGenerator[SqsQueue]:
    """The queue at a URL as AWS shows it. Raises `SetupError` if it is no such URL, or boto3 isn't there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
        raise SetupError(
            f"--queue {url}: that is no URL of a queue; write https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
        )
    try:
        import boto3  # pyright: ignore[reportMissingTypeStubs]
        from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
        from botocore.exceptions import BotoCoreError  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as exc:
        raise SetupError("--queue asks SQS by boto3, which isn't here; pip install 'counterfoil[aws]'") from exc
    config = Config(
        connect_timeout=5,
        read_timeout=_WAIT + 10,
        max_pool_connections=2 * TAKERS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    threads = ThreadPoolExecutor(2 * TAKERS, thread_name_prefix="queue")
    make = cast("Callable[..., Any]", boto3.client)  # pyright: ignore[reportUnknownMemberType]
    opening = partial(
        make, "sqs", region_name=_region(url, environ), endpoint_url=f"{parts.scheme}://{parts.netloc}", config=config
    )
    try:
        client = await asyncio.get_running_loop().run_in_executor(threads, opening)
        yield SqsQueue(client, url, threads)
    except BotoCoreError as exc:
        raise _ours(exc, url) from exc
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _region(url: str, environ: Mapping[str, str]) -> str:
    found = re.match(r"https?://(?:[^/]*\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.", url)
    found = found or re.match(r"https?://([a-z0-9-]+)\.queue\.", url)
    return found[1] if found else environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
