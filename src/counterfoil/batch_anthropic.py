"""Anthropic's Message Batches API (`/v1/messages/batches`).

A batch there carries no name of ours, and shows nothing of its requests before it has ended. So our name for it is the
beginning of each request's id, and a batch whose submission was cut off is found again among those of the same number
of requests and about the same time, as soon as it has ended. Until then nobody can say whether it is there.

The schema goes in words: the API's own JSON Schema mode bounds how many fields may be null, below what an invoice has.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import orjson
from yarl import URL

from .batch import (
    BatchGone,
    BatchLimits,
    BatchRequest,
    BatchView,
    Order,
    Outcome,
    Search,
    Sought,
    Unprocessed,
    account_of,
)
from .batch_http import Wire, count, mapping, objects, open_wire
from .errors import InputError, SetupError, Unavailable
from .model import Answer, Turn
from .model_address import Address
from .model_chat import with_schema_in_words
from .model_refusals import brief

VERSION = "2023-06-01"
_BATCHES = ("v1", "messages", "batches")
MAX_TOKENS = 16_000
"""Of one answer: an invoice of two hundred lines. What is longer is cut off, and told so to the model."""
_PAGE = 100
_CLOCKS_DIFFER = timedelta(hours=1)
"""By which the provider's clock may be behind ours when a listing is searched."""
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_SET_UP = {"authentication_error", "permission_error", "not_found_error", "billing_error"}
_DOCUMENT = {"invalid_request_error", "request_too_large"}


@asynccontextmanager
async def open_anthropic_batches(name: str, address: Address) -> AsyncGenerator[AnthropicBatches]:
    """The batches for the model `name` of the account at `address`."""
    headers = {"x-api-key": address.key, "anthropic-version": VERSION}
    async with open_wire(address, headers) as wire:
        yield AnthropicBatches(name, address, wire)


class AnthropicBatches:
    """A `BatchService`; `open_anthropic_batches` makes it."""

    limits = BatchLimits(requests=100_000, bytes=256_000_000)

    def __init__(self, name: str, address: Address, wire: Wire) -> None:
        self.model = f"anthropic:{name}"
        self.endpoint = address.url
        self.account = account_of("anthropic", address.url, address.key)
        self._name, self._address, self._wire = name, address, wire

    def encoded(self, request: BatchRequest) -> bytes:
        system, *turns = with_schema_in_words(request.request)
        params = {
            "model": self._name,
            "max_tokens": MAX_TOKENS,
            "system": system.content,
            "messages": [_message(turn) for turn in turns],
        }
        return orjson.dumps({"custom_id": request.id, "params": params})

    async def submit(self, order: Order) -> str:
        body = b'{"requests":[' + b",".join(map(self.encoded, order.requests)) + b"]}"
        reply = await self._wire.json("POST", self._wire.url(*_BATCHES), data=body, kind="application/json")
        return str(reply["id"])

    async def find(self, sought: Sought) -> Search:
        running = False
        async for batch in self._listed(sought.since - _CLOCKS_DIFFER):
            if str(batch.get("id")) in sought.known or _total(batch) != sought.count:
                continue
            if batch.get("processing_status") != "ended":
                running = True
            elif await self._is_named(batch, sought.name):
                return Search(str(batch["id"]))
        return Search(open=running)

    async def _listed(self, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """The workspace's batches that were made after `since`, newest first."""
        after = ""
        while True:
            query = {"limit": str(_PAGE)} | ({"after_id": after} if after else {})
            reply = await self._wire.json("GET", self._wire.url(*_BATCHES, **query))
            page = objects(reply.get("data"))
            for batch in page:
                if datetime.fromisoformat(str(batch["created_at"])) < since:
                    return
                yield batch
            if not reply.get("has_more") or not page:
                return
            after = str(page[-1]["id"])

    async def _is_named(self, batch: Mapping[str, Any], name: str) -> bool:
        """Whether the requests of a batch that has ended are those of ours that bear this name."""
        try:
            async for line in self._lines(batch):
                return str(line.get("custom_id")).startswith(f"{name}-")
        except BatchGone:
            return False
        return False

    async def look(self, batch: str) -> BatchView:
        found = await self._wire.json("GET", self._wire.url(*_BATCHES, batch))
        status = str(found.get("processing_status"))
        return BatchView(batch, status == "ended", status)

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Outcome]]:
        async for line in self._lines(await self._wire.json("GET", self._wire.url(*_BATCHES, batch))):
            yield str(line.get("custom_id")), self._outcome(mapping(line.get("result")))

    async def _lines(self, batch: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """The results where the batch says they are, but at the address that the key is for."""
        where = batch.get("results_url")
        if not where:
            raise BatchGone(f"{self._wire.host} no longer has the results of {batch.get('id')}")
        async for line in self._wire.lines(self._wire.moved(URL(str(where)).path)):
            yield line

    def _outcome(self, result: Mapping[str, Any]) -> Outcome:
        match result.get("type"):
            case "succeeded":
                return self._answer(mapping(result.get("message")))
            case "canceled" | "expired" as how:
                return Unprocessed(f"the batch was {how} before it came to this document")
            case _:
                error = mapping(result.get("error"))
                return self._error(mapping(error.get("error")) or error)

    def _error(self, error: Mapping[str, Any]) -> Outcome:
        kind, where = str(error.get("type")), f"{self._wire.host} (model {self._name})"
        said = f"({kind}): {brief(str(error.get('message') or 'no reason given'), self._address.key)}"
        if kind in _SET_UP:
            return SetupError(f"{where} refused {said}; check the model's name, {self._address.variables}")
        if kind in _DOCUMENT:
            return InputError(f"{where} can't take this document {said}")
        return Unavailable(f"{where} could not answer {said}")

    def _answer(self, message: Mapping[str, Any]) -> Answer:
        usage, stop = mapping(message.get("usage")), message.get("stop_reason")
        cached, written = (count(usage.get(f"cache_{how}_input_tokens")) for how in ("read", "creation"))
        return Answer(
            text="".join(str(b.get("text") or "") for b in objects(message.get("content")) if b.get("type") == "text"),
            input_tokens=count(usage.get("input_tokens")) + cached + written,
            output_tokens=count(usage.get("output_tokens")),
            model=str(message.get("model") or self._name),
            finish="refused" if stop == "refusal" else "length" if stop == "max_tokens" else "stop",
            cached_tokens=cached,
            written_tokens=written,
        )

    async def cancel(self, batch: str) -> None:
        try:
            await self._wire.json("POST", self._wire.url(*_BATCHES, batch, "cancel"))
        except (SetupError, Unavailable):
            if not (await self.look(batch)).ended:
                raise
        except BatchGone:
            return


def _message(turn: Turn) -> dict[str, Any]:
    images = [
        {"type": "image", "source": {"type": "base64", "media_type": i.media_type, "data": b64encode(i.data).decode()}}
        for i in turn.images
    ]
    return {"role": turn.role, "content": [*images, {"type": "text", "text": turn.content}] if images else turn.content}


def _total(batch: Mapping[str, Any]) -> int:
    counts = mapping(batch.get("request_counts"))
    return sum(count(counts.get(name)) for name in _COUNTS)
