"""A provider of batches for tests: what OpenAI and Anthropic keep of them, spoken over HTTP in both their wire formats.

Time is whatever `now` says. It can do what providers do at the worst moment: take a batch and drop the reply, take one
only after the reply was lost, list one late, expire, refuse.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web
from aiohttp.test_utils import TestServer

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Fate:
    """What becomes of one request. `code` is the provider's for an error, `status` its HTTP status."""

    kind: Literal["answer", "refused", "length", "error", "expired", "canceled"] = "answer"
    text: str = ""
    code: str = "server_error"
    status: int = 500


@dataclass
class Kept:
    """A batch as the provider keeps it. `fates` by the requests' ids, once it has ended."""

    id: str
    account: str
    metadata: dict[str, str]
    requests: dict[str, Any]
    created: float
    ends: float
    fates: dict[str, Fate] = field(default_factory=dict)
    cancelled: bool = False
    problem: str | None = None
    deleted: bool = False


class Provider:
    """All accounts of a provider. `fate` decides for each request (its id, its body); `takes` is how long a batch
    runs, `late` how long it is missing in listings, `done_at_cancel` how many requests a cancelled one has answered."""

    def __init__(self, fate: Callable[[str, Any], Fate], *, now: Callable[[], float], takes: float = 3600.0) -> None:
        self.fate, self.now, self.takes = fate, now, takes
        self.late = 0.0
        self.done_at_cancel = 0
        self.problem: str | None = None
        self.drop_replies = 0
        self.batches: dict[str, Kept] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def submit(self, account: str, requests: dict[str, Any], metadata: dict[str, str] | None = None) -> Kept:
        number = len(self.batches) + 1
        kept = Kept(f"batch_{number}", account, metadata or {}, requests, self.now(), self.now() + self.takes)
        kept.problem = self.problem
        if kept.problem:
            kept.ends = self.now()
        self.batches[kept.id] = kept
        return kept

    def listed(self, account: str) -> list[Kept]:
        """Newest first; what is too young is not there yet."""
        seen = [b for b in self.batches.values() if b.account == account and b.created + self.late <= self.now()]
        return [b for b in reversed(seen) if not b.deleted]

    def get(self, account: str, batch: str) -> Kept | None:
        kept = self.batches.get(batch)
        if kept is None or kept.account != account or kept.deleted:
            return None
        if self.ended(kept) and not kept.fates and not kept.problem:
            self._end(kept, len(kept.requests))
        return kept

    def ended(self, kept: Kept) -> bool:
        return self.now() >= kept.ends

    def cancel(self, kept: Kept) -> None:
        if not self.ended(kept):
            kept.cancelled, kept.ends = True, self.now()
            self._end(kept, self.done_at_cancel)

    def _end(self, kept: Kept, answered: int) -> None:
        for n, (name, body) in enumerate(kept.requests.items()):
            kept.fates[name] = self.fate(name, body) if n < answered else Fate("canceled")

    @property
    def submissions(self) -> list[str]:
        """Every request that was ever submitted, by its id."""
        return [name for kept in self.batches.values() for name in kept.requests]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=300_000_000)
        openai, anthropic = _OpenAI(self), _Anthropic(self)
        app.add_routes(
            [
                web.post("/openai/files", openai.upload),
                web.get("/openai/files/{file}/content", openai.content),
                web.post("/openai/batches", openai.create),
                web.get("/openai/batches", openai.list),
                web.get("/openai/batches/{batch}", openai.look),
                web.post("/openai/batches/{batch}/cancel", openai.cancel),
                web.post("/anthropic/v1/messages/batches", anthropic.create),
                web.get("/anthropic/v1/messages/batches", anthropic.list),
                web.get("/anthropic/v1/messages/batches/{batch}", anthropic.look),
                web.get("/anthropic/v1/messages/batches/{batch}/results", anthropic.results),
                web.post("/anthropic/v1/messages/batches/{batch}/cancel", anthropic.cancel),
            ]
        )
        return app

    def reply(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        """The reply to a submission, or a connection that breaks before it is sent."""
        if self.drop_replies > 0:
            self.drop_replies -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(body)


def _not_found(what: str) -> web.Response:
    return web.json_response({"error": {"type": "not_found_error", "message": f"no such {what}"}}, status=404)


class _OpenAI:
    """`/v1/files` and `/v1/batches`."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def _account(self, request: web.Request) -> str:
        self.provider.asked.append(f"{request.method} {request.path}")
        return request.headers["Authorization"].removeprefix("Bearer ")

    async def upload(self, request: web.Request) -> web.Response:
        account, form = self._account(request), await request.post()
        assert form["purpose"] == "batch"
        name = f"file_{len(self.provider.files) + 1}"
        self.provider.files[f"{account}/{name}"] = form["file"].file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def create(self, request: web.Request) -> web.Response:
        account, body = self._account(request), await request.json()
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        lines = self.provider.files[f"{account}/{body['input_file_id']}"].splitlines()
        requests = {line["custom_id"]: line["body"] for line in map(json.loads, lines)}
        assert len(requests) == len(lines), "ids must be unique"
        kept = self.provider.submit(account, requests, body["metadata"])
        return self.provider.reply(request, self._shown(kept))

    def _shown(self, kept: Kept) -> dict[str, Any]:
        ended = self.provider.ended(kept)
        status = "in_progress" if not ended else "completed"
        if ended and kept.cancelled:
            status = "cancelled"
        elif ended and any(fate.kind == "expired" for fate in kept.fates.values()):
            status = "expired"
        elif kept.problem:
            status = "failed"
        shown: dict[str, Any] = {
            "id": kept.id,
            "object": "batch",
            "status": status,
            "metadata": kept.metadata,
            "created_at": int(kept.created),
            "output_file_id": f"out-{kept.id}" if ended and not kept.problem else None,
            "error_file_id": f"err-{kept.id}" if ended and not kept.problem else None,
        }
        if kept.problem:
            shown["errors"] = {"object": "list", "data": [{"code": kept.problem, "message": f"({kept.problem})"}]}
        return shown

    async def list(self, request: web.Request) -> web.Response:
        seen = self.provider.listed(self._account(request))
        after, limit = request.query.get("after"), int(request.query["limit"])
        start = next((n + 1 for n, b in enumerate(seen) if b.id == after), 0)
        page = seen[start : start + limit]
        shown = [self._shown(kept) for kept in page]
        return web.json_response({"object": "list", "data": shown, "has_more": start + limit < len(seen)})

    async def look(self, request: web.Request) -> web.Response:
        kept = self.provider.get(self._account(request), request.match_info["batch"])
        return web.json_response(self._shown(kept)) if kept else _not_found("batch")

    async def cancel(self, request: web.Request) -> web.Response:
        kept = self.provider.get(self._account(request), request.match_info["batch"])
        if kept is None:
            return _not_found("batch")
        if self.provider.ended(kept):
            return web.json_response({"error": {"message": "Cannot cancel a batch with status completed"}}, status=409)
        self.provider.cancel(kept)
        return web.json_response(self._shown(kept))

    async def content(self, request: web.Request) -> web.Response:
        which, _, batch = request.match_info["file"].partition("-")
        kept = self.provider.get(self._account(request), batch)
        if kept is None:
            return _not_found("file")
        lines = [self._line(name, kept, fate) for name, fate in reversed(kept.fates.items()) if fate.kind != "canceled"]
        wanted = [line for line in lines if bool(line.pop("failed")) == (which == "err")]
        return web.Response(body="".join(json.dumps(line) + "\n" for line in wanted).encode())

    def _line(self, name: str, kept: Kept, fate: Fate) -> dict[str, Any]:
        line: dict[str, Any] = {"id": "batch_req_1", "custom_id": name, "response": None, "error": None, "failed": True}
        if fate.kind == "expired":
            return line | {"error": {"code": "batch_expired", "message": "This request could not be executed in time."}}
        if fate.kind == "error":
            body = {"error": {"code": fate.code, "message": f"({fate.code}) {fate.text}"}}
            return line | {"response": {"status_code": fate.status, "request_id": "r", "body": body}}
        message = {"role": "assistant", "content": fate.text}
        if fate.kind == "refused":
            message |= {"refusal": fate.text}
        finish = "length" if fate.kind == "length" else "stop"
        body = {"model": kept.requests[name]["model"], "choices": [{"message": message, "finish_reason": finish}]}
        body["usage"] = {"prompt_tokens": 1000, "completion_tokens": 100}
        return line | {"failed": False, "response": {"status_code": 200, "request_id": "r", "body": body}}


class _Anthropic:
    """`/v1/messages/batches`."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def _account(self, request: web.Request) -> str:
        self.provider.asked.append(f"{request.method} {request.path}")
        assert request.headers["anthropic-version"] == "2023-06-01"
        return request.headers["x-api-key"]

    async def create(self, request: web.Request) -> web.Response:
        account, body = self._account(request), await request.json()
        requests = {item["custom_id"]: item["params"] for item in body["requests"]}
        assert len(requests) == len(body["requests"]), "ids must be unique"
        assert all(len(name) <= 64 and name.replace("-", "").replace("_", "").isalnum() for name in requests)
        return self.provider.reply(request, self._shown(request, self.provider.submit(account, requests)))

    def _shown(self, request: web.Request, kept: Kept) -> dict[str, Any]:
        ended = self.provider.ended(kept)
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        kinds = {"error": "errored", "expired": "expired", "canceled": "canceled"}
        for name in kept.requests:
            fate = kept.fates.get(name)
            counts["processing" if not ended or fate is None else kinds.get(fate.kind, "succeeded")] += 1
        path = f"/anthropic/v1/messages/batches/{kept.id}/results"
        return {
            "id": kept.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": datetime.fromtimestamp(kept.created, UTC).isoformat().replace("+00:00", "Z"),
            "results_url": f"http://elsewhere.example{path}" if ended else None,
        }

    async def list(self, request: web.Request) -> web.Response:
        seen = self.provider.listed(self._account(request))
        for kept in seen:
            self.provider.get(kept.account, kept.id)
        after, limit = request.query.get("after_id"), int(request.query["limit"])
        start = next((n + 1 for n, b in enumerate(seen) if b.id == after), 0)
        shown = [self._shown(request, kept) for kept in seen[start : start + limit]]
        return web.json_response({"data": shown, "has_more": start + limit < len(seen)})

    async def look(self, request: web.Request) -> web.Response:
        kept = self.provider.get(self._account(request), request.match_info["batch"])
        return web.json_response(self._shown(request, kept)) if kept else _not_found("batch")

    async def cancel(self, request: web.Request) -> web.Response:
        kept = self.provider.get(self._account(request), request.match_info["batch"])
        if kept is None:
            return _not_found("batch")
        if self.provider.ended(kept):
            return web.json_response({"type": "error", "error": {"message": "it has ended"}}, status=400)
        self.provider.cancel(kept)
        return web.json_response(self._shown(request, kept))

    async def results(self, request: web.Request) -> web.Response:
        kept = self.provider.get(self._account(request), request.match_info["batch"])
        if kept is None:
            return _not_found("batch")
        lines = [{"custom_id": name, "result": self._result(fate)} for name, fate in reversed(kept.fates.items())]
        return web.Response(body="".join(json.dumps(line) + "\n" for line in lines).encode())

    def _result(self, fate: Fate) -> dict[str, Any]:
        if fate.kind in ("expired", "canceled"):
            return {"type": fate.kind}
        if fate.kind == "error":
            error = {"type": fate.code, "message": fate.text}
            return {"type": "errored", "error": {"type": "error", "error": error, "request_id": None}}
        stop = {"answer": "end_turn", "refused": "refusal", "length": "max_tokens"}[fate.kind]
        usage = {"input_tokens": 900, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100}
        message = {"content": [{"type": "text", "text": fate.text}], "stop_reason": stop, "model": "claude"}
        return {"type": "succeeded", "message": message | {"usage": usage | {"output_tokens": 100}}}


@asynccontextmanager
async def providing(provider: Provider) -> AsyncGenerator[dict[str, str]]:
    """The variables that lead to a provider behind a real HTTP server."""
    server = TestServer(provider.app())
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    try:
        yield {
            "OPENAI_BASE_URL": f"{url}/openai",
            "OPENAI_API_KEY": "our-own-secret-0123456789",
            "ANTHROPIC_BASE_URL": f"{url}/anthropic",
            "ANTHROPIC_API_KEY": "our-own-secret-0123456789",
        }
    finally:
        await server.close()
