"""OpenAI's Batch API (`/v1/files`, `/v1/batches`), for chat completions.

Our name for a batch goes into its metadata, which listings show: that is how one is found again whose submission was
cut off. A request that a model refuses for a feature (temperature, JSON Schema) is told as one to ask again, and is
asked without it from then on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import orjson

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
from .batch_http import Wire, mapping, objects, open_wire
from .errors import CounterfoilError, RateLimited, SetupError, Unavailable
from .model import Unreachable
from .model_address import Address
from .model_chat import error_in, payload, read_answer
from .model_refusals import FEATURES, Feature, Refusal

METADATA = "counterfoil"
_ENDED = {"completed", "expired", "cancelled", "failed"}
_ENDPOINT = "/v1/chat/completions"
_PAGE = 100
_CLOCKS_DIFFER = 3600
"""Seconds by which the provider's clock may be behind ours when a listing is searched."""


@asynccontextmanager
async def open_openai_batches(name: str, address: Address) -> AsyncGenerator[OpenAIBatches]:
    """The batches for the model `name` of the account at `address`."""
    async with open_wire(address, address.headers) as wire:
        yield OpenAIBatches(name, address, wire)


class OpenAIBatches:
    """A `BatchService`; `open_openai_batches` makes it."""

    limits = BatchLimits(requests=50_000, bytes=200_000_000)

    def __init__(self, name: str, address: Address, wire: Wire) -> None:
        self.model = f"openai:{name}"
        self.endpoint = address.url
        self.account = account_of("openai", address.url, address.key)
        self._name, self._address, self._wire = name, address, wire
        self._lacks: set[Feature] = set()

    def encoded(self, request: BatchRequest) -> bytes:
        body = payload(self._name, request.request, FEATURES - self._lacks)
        return orjson.dumps({"custom_id": request.id, "method": "POST", "url": _ENDPOINT, "body": body})

    async def submit(self, order: Order) -> str:
        file = await self._upload(order)
        batch = {
            "input_file_id": file,
            "endpoint": _ENDPOINT,
            "completion_window": "24h",
            "metadata": {METADATA: order.name},
        }
        reply = await self._wire.json(
            "POST", self._wire.url("batches"), data=orjson.dumps(batch), kind="application/json"
        )
        return str(reply["id"])

    async def _upload(self, order: Order) -> str:
        """The id of the uploaded file. A file alone is no batch: however this fails, nothing was submitted."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        lines = b"".join(self.encoded(request) + b"\n" for request in order.requests)
        form.add_field("file", lines, filename=f"{order.name}.jsonl", content_type="application/jsonl")
        try:
            reply = await self._wire.json("POST", self._wire.url("files"), data=form)
        except (RateLimited, SetupError):
            raise
        except CounterfoilError as exc:
            raise Unreachable(f"the requests could not be uploaded: {exc}") from exc
        return str(reply["id"])

    async def find(self, sought: Sought) -> Search:
        async for batch in self._listed(sought.since):
            if mapping(batch.get("metadata")).get(METADATA) == sought.name:
                return Search(str(batch["id"]))
        return Search()

    async def _listed(self, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """The account's batches, newest first, back to some time before `since`."""
        oldest, after = since.timestamp() - _CLOCKS_DIFFER, ""
        while True:
            query = {"limit": str(_PAGE)} | ({"after": after} if after else {})
            reply = await self._wire.json("GET", self._wire.url("batches", **query))
            page = objects(reply.get("data"))
            for batch in page:
                yield batch
            if not reply.get("has_more") or not page or all(b.get("created_at", oldest) < oldest for b in page):
                return
            after = str(page[-1]["id"])

    async def look(self, batch: str) -> BatchView:
        found = await self._found(batch)
        status = str(found.get("status"))
        problem = self._problem(found) if status == "failed" else None
        return BatchView(batch, status in _ENDED, status, problem)

    async def _found(self, batch: str) -> Mapping[str, Any]:
        return await self._wire.json("GET", self._wire.url("batches", batch))

    def _problem(self, batch: Mapping[str, Any]) -> CounterfoilError:
        """Why a batch was refused as a whole."""
        errors = objects(mapping(batch.get("errors")).get("data"))
        codes = {str(error.get("code")) for error in errors}
        said = "; ".join(str(error.get("message")) for error in errors[:3]) or "no reason given"
        if codes & {"token_limit_exceeded", "request_limit_exceeded"}:  # of what may be queued at once: passes
            return Unavailable(f"{self._wire.host} has too much queued for this account: {said}")
        return SetupError(f"{self._wire.host} refused the batch {batch.get('id')}: {said}")

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Outcome]]:
        found = await self._found(batch)
        for field in ("output_file_id", "error_file_id"):
            if file := found.get(field):
                async for line in self._wire.lines(self._wire.url("files", str(file), "content")):
                    yield str(line.get("custom_id")), self._outcome(line)

    def _outcome(self, line: Mapping[str, Any]) -> Outcome:
        response, error = mapping(line.get("response")), mapping(line.get("error"))
        status, body = response.get("status_code"), mapping(response.get("body"))
        if status == 200 and "choices" in body and not error_in(body):
            return read_answer(body, self._name, {})
        if not response:
            said = f"{error.get('message') or error.get('code') or 'no reason given'}"
            expired = str(error.get("code")).startswith("batch_")
            return (Unprocessed if expired else Unavailable)(f"the batch did not answer: {said}")
        refusal = Refusal.of(int(status or 502), {}, orjson.dumps(body), error_in(body) or body, self._address.key)
        # The batch may have been sent before or after another one was refused for a feature, by this process or not.
        if missing := refusal.refused_feature(FEATURES) or refusal.refused_feature(FEATURES - self._lacks):
            self._lacks.add(missing)
            return Unavailable(f"{self._where()} does not take {missing}; it is asked again without")
        return refusal.error(self._where(), self._address.variables)

    def _where(self) -> str:
        return f"{self._wire.host} (model {self._name})"

    async def cancel(self, batch: str) -> None:
        try:
            await self._wire.json("POST", self._wire.url("batches", batch, "cancel"))
        except (SetupError, Unavailable):
            if not (await self.look(batch)).ended:  # one that has ended can't be cancelled, and need not
                raise
        except BatchGone:
            return
