"""What a batch API is to Counterfoil: many requests handed over at once, answered within a day for half the price.

It promises that a provider's client is imported only when it is opened, that `submit` sends once and never again, and
that what it raises tells whether anything may have been submitted. It knows nothing of documents or manifests: when a
batch is submitted, waited for and collected is decided elsewhere (`batch_desk`).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from .errors import CounterfoilError, SetupError, Unavailable
from .model import Answer, Request
from .model_address import Address, anthropic_address, openai_address

BATCH_PROVIDERS = ("openai", "anthropic")
BATCH_PRICE = Decimal("0.5")
"""Of the price of single calls: what both providers charge for tokens in a batch (their price lists, October 2025)."""
MAX_ID = 64
"""Characters of a request's id, of letters, digits, - and _: Anthropic's bound, the narrower one."""

Outcome = Answer | CounterfoilError
"""What became of one request. An error is never billed: `Unavailable` may be asked again, `InputError` is the
document's, `SetupError` the set-up's."""


class Unprocessed(Unavailable):
    """The batch ended before this request was worked on (cancelled, expired), so it cost nothing."""


class BatchGone(CounterfoilError):
    """The provider no longer has this batch or its results. What its requests cost can't be known any more."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a batch; `id` is unique among all that this account ever submits."""

    id: str
    request: Request


@dataclass(frozen=True, slots=True)
class Order:
    """A batch to submit. `name` is ours, and each request's id begins with it and a dash."""

    name: str
    requests: Sequence[BatchRequest]


@dataclass(frozen=True, slots=True)
class Sought:
    """A batch that may have been submitted: under which name, with how many requests, and not before when. `known` are
    the provider's ids of other batches, which it can't be."""

    name: str
    count: int
    since: datetime
    known: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as the provider shows it. `ended`: there are results. `problem`: it was refused as a whole, nothing was
    worked on, and trying again helps where it is `Unavailable`."""

    id: str
    ended: bool
    said: str
    problem: CounterfoilError | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What a listing tells of a batch. `open`: not found, but another look later may find it, since batches that may be
    it are still running and show no ids of their requests until they end."""

    id: str | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What the provider takes in one batch."""

    requests: int
    bytes: int


class BatchService(Protocol):
    """One model of one account at a provider's batch API. Safe to use from many tasks at once."""

    @property
    def model(self) -> str:
        """Provider and model, e.g. `openai:gpt-4.1-mini`."""
        ...

    @property
    def account(self) -> str:
        """Who submits, as `account_of` says: a batch can be seen, collected and cancelled by the same account only."""
        ...

    @property
    def endpoint(self) -> str: ...

    @property
    def limits(self) -> BatchLimits: ...

    def encoded(self, request: BatchRequest) -> bytes:
        """The request as it goes over the wire; all of a batch together are bounded by `limits.bytes`."""
        ...

    async def submit(self, order: Order) -> str:
        """Submits a batch and returns the provider's id for it.

        Raises `Unreachable` or `RateLimited` where surely nothing was submitted, `SetupError` where it was refused. Any
        other `Unavailable` may have submitted it: only `find` tells.
        """
        ...

    async def find(self, sought: Sought) -> Search:
        """Looks for a batch among those that the account has submitted."""
        ...

    async def look(self, batch: str) -> BatchView:
        """The batch by the provider's id. Raises `BatchGone` where there is none."""
        ...

    def results(self, batch: str) -> AsyncIterator[tuple[str, Outcome]]:
        """What became of each request of a batch that has ended, by its id, in any order. A request that was not
        worked on may be missing. Raises `BatchGone` where the results are no longer kept."""
        ...

    async def cancel(self, batch: str) -> None:
        """Asks for the batch to end. Requests that are done or under way are answered, and billed; one that has ended
        already stays as it is."""
        ...


def account_of(provider: str, endpoint: str, key: str) -> str:
    """An account's name in the manifest: 16 hex digits of a digest, from which no key can be told."""
    return hashlib.sha256("\0".join((provider, endpoint, key)).encode()).hexdigest()[:16]


def open_batch_service(spec: str, environ: Mapping[str, str]) -> AbstractAsyncContextManager[BatchService]:
    """The batch API for a model `PROVIDER:NAME`, to be entered with `async with`; raises `SetupError` at once.

    Addresses and keys come from `environ`: OPENAI_BASE_URL and OPENAI_API_KEY, ANTHROPIC_BASE_URL and
    ANTHROPIC_API_KEY.
    """
    provider, _, name = spec.partition(":")
    if provider not in BATCH_PROVIDERS or not name.strip():
        known = " or ".join(f"{known}:NAME" for known in BATCH_PROVIDERS)
        raise SetupError(f"no batch API for the model {spec!r}; --batch takes {known}")
    address = openai_address(environ) if provider == "openai" else anthropic_address(environ)
    return _opened(provider, name.strip(), address)


@asynccontextmanager
async def _opened(provider: str, name: str, address: Address) -> AsyncGenerator[BatchService]:
    if provider == "openai":
        from .batch_openai import open_openai_batches  # only here: its HTTP client takes a tenth of a second to import

        async with open_openai_batches(name, address) as service:
            yield service
    else:
        from .batch_anthropic import open_anthropic_batches

        async with open_anthropic_batches(name, address) as service:
            yield service
