"""A scripted model behind the OpenAI chat completions API: for benchmarks in a process of its own, for tests in theirs.

    python benchmarks/model_server.py --port 8080 --latency 2 --rpm 600 --fail-429 0.05 --fail-500 0.05 --garbage 0.03

Each failure is drawn from the seed, the document and how often it was asked about, so a run can be repeated.
With --rpm it accepts that many calls in any 60 seconds, refuses the others with Retry-After, and with --headers says in
every reply what is left (`x-ratelimit-*`).

It answers every document with the same small invoice that passes all checks, numbered by the document's file name, as a
tool call or by another JSON schema where the request asks for that, and counts: GET /stats gives {"calls", "refused",
"completed", "in_flight", "most_in_flight", "by_key", "completed_by_key", "by_outcome", "input_tokens",
"output_tokens"}, where a key is the file name in the prompt,
else a digest of the first user message. `calls` are all requests that arrived, `refused` those that were over --rpm,
`completed` those whose answer was made (a real provider bills those, and the tokens are theirs).
Port 0 takes a free one and prints it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]

USAGE = web.ResponseKey("usage", dict[str, int])
_FILE_NAME = re.compile(r'^File name: (".*")$', re.M)


@dataclass(frozen=True)
class Behaviour:
    """`latency` in seconds; failures as rates from 0 to 1; `rpm` is the most calls accepted in any 60 seconds."""

    latency: float = 0.0
    fail_429: float = 0.0
    fail_500: float = 0.0
    garbage: float = 0.0
    hang: float = 0.0
    truncate: float = 0.0
    misfit: float = 0.0
    rpm: int | None = None
    headers: bool = False
    seed: int = 0


class ModelServer:
    """Counts and answers. `script` replaces what it does by a test's own."""

    def __init__(self, behaviour: Behaviour | None = None, script: Script | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.calls = self.refused = self.completed = self.in_flight = self.most_in_flight = 0
        self.by_key: Counter[str] = Counter()
        self.completed_by_key: Counter[str] = Counter()
        self._script = script or self._limited
        self.by_outcome: Counter[str] = Counter()
        self.input_tokens = self.output_tokens = 0
        self._accepted: deque[float] = deque()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=50_000_000)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/stats", self._stats)
        return app

    async def _stats(self, _: web.Request) -> web.Response:
        names = ("calls", "refused", "completed", "in_flight", "most_in_flight", "by_key", "completed_by_key")
        names += ("by_outcome", "input_tokens", "output_tokens")
        return web.json_response({name: getattr(self, name) for name in names})

    async def _limited(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """As behaved, with what is left as of when the call was taken in."""
        wait = self._over_the_limit()
        left = self._left() if self.behaviour.headers else {}
        if wait is None:
            response = await self._behave(request, body)
        else:
            self.refused += 1
            after = {"Retry-After": f"{wait:.2f}"}
            response = refusal(429, "Rate limit reached for requests", "rate_limit_exceeded", after)
        response.headers.update(left)
        return response

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        key = document_key(body)
        self.calls += 1
        self.by_key[key] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            response = await self._script(request, body)
        finally:
            self.in_flight -= 1
        if response.status == 200:
            self.completed += 1
            self.completed_by_key[key] += 1
            usage = response.get(USAGE, {})
            self.input_tokens += usage.get("prompt_tokens", 0)
            self.output_tokens += usage.get("completion_tokens", 0)
        return response

    async def _behave(self, _: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not body["messages"]:  # some clients ask nothing, to see the limits in the headers
            return refusal(400, "Invalid 'messages': empty array", "empty_array")
        outcome = self._drawn(document_key(body))
        self.by_outcome[outcome] += 1
        if outcome == "429":
            return refusal(429, "Rate limit reached", "rate_limit_exceeded", {"Retry-After": "1"})
        if outcome == "hang":
            await asyncio.Event().wait()
        await asyncio.sleep(self.behaviour.latency)
        if outcome == "500":
            return refusal(500, "The server had an error while processing your request", "server_error")
        if outcome == "garbage":
            return completion("I am sorry, {here is", body)
        if outcome == "truncated":
            return completion(json.dumps(sample_invoice(document_key(body)))[:-40], body, finish_reason="length")
        return completion('{"invoice": "none of these keys"}', body) if outcome == "misfit" else answer(body)

    def _drawn(self, key: str) -> str:
        """The outcome of a document's nth call, the same whenever it comes."""
        chance = random.Random(f"{self.behaviour.seed} {key} {self.by_key[key]}").random()
        rates = {
            "429": self.behaviour.fail_429,
            "500": self.behaviour.fail_500,
            "garbage": self.behaviour.garbage,
            "hang": self.behaviour.hang,
            "truncated": self.behaviour.truncate,
            "misfit": self.behaviour.misfit,
        }
        for outcome, rate in rates.items():
            if chance < rate:
                return outcome
            chance -= rate
        return "good"

    def _over_the_limit(self) -> float | None:
        """Seconds until a call would be accepted, None for now; an accepted call counts for the next 60."""
        now = time.monotonic()
        while self._accepted and now - self._accepted[0] >= 60:
            self._accepted.popleft()
        if self.behaviour.rpm is None or len(self._accepted) < self.behaviour.rpm:
            self._accepted.append(now)
            return None
        return 60 - (now - self._accepted[0])

    def _left(self) -> dict[str, str]:
        """What is left now, and when the oldest call leaves the window: before then there won't be more."""
        if self.behaviour.rpm is None:
            return {}
        reset = 60 - (time.monotonic() - self._accepted[0]) if self._accepted else 0.0
        return {
            "x-ratelimit-limit-requests": str(self.behaviour.rpm),
            "x-ratelimit-remaining-requests": str(self.behaviour.rpm - len(self._accepted)),
            "x-ratelimit-reset-requests": f"{reset:.3f}s",
        }


def document_key(body: dict[str, Any]) -> str:
    """Which document a request is about; the same for its first call, its retries and its repairs."""
    said = next((_text(turn["content"]) for turn in body["messages"] if turn["role"] == "user"), "")
    named = _FILE_NAME.search(said)
    return json.loads(named[1]) if named else hashlib.sha256(said.encode()).hexdigest()[:16]


def _text(content: Any) -> str:
    """Of a turn, which is a string or a list of parts."""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def answer(body: dict[str, Any]) -> web.Response:
    """The invoice of the document that was asked about, in the form that was asked for."""
    invoice = sample_invoice(document_key(body))
    if tools := body.get("tools"):
        function = tools[0]["function"]
        arguments = json.dumps(fitting(function["parameters"], invoice))
        call = {"id": "call", "type": "function", "function": {"name": function["name"], "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return completion(arguments, body, message=message, finish_reason="tool_calls")
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return completion(json.dumps(fitting(schema, invoice) if schema else invoice), body)


def fitting(schema: dict[str, Any], facts: dict[str, Any]) -> Any:
    """What a model with constrained output says: the facts by the names that the schema asks for, at any depth."""
    if options := schema.get("anyOf"):
        return fitting(options[0], facts)
    if schema.get("type") == "array":
        return [fitting(schema["items"], facts)]
    if schema.get("type") != "object":
        return None
    parts: dict[str, Any] = schema.get("properties", {})
    return {name: facts[name] if name in facts else fitting(part, facts) for name, part in parts.items()}


def completion(text: str, body: dict[str, Any], **changes: Any) -> web.Response:
    """An answer of the API that says `text`; `changes` replace parts of its one choice."""
    prompt = sum(len(str(turn["content"])) for turn in body["messages"]) // 4
    usage = {"prompt_tokens": prompt, "completion_tokens": len(text) // 4, "total_tokens": prompt + len(text) // 4}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} | changes
    reply = {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
    response = web.Response(body=orjson.dumps(reply), content_type="application/json")
    response[USAGE] = usage
    return response


def refusal(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the API."""
    return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)


def sample_invoice(number: str) -> dict[str, Any]:
    """An answer with every key of the schema, whose sums, dates and checksums are right."""
    line = {"line_id": "1", "description": "Paper, A4", "quantity": 10, "unit": "box", "unit_price": 10.00}
    return {
        "doc_type": "invoice",
        "invoice_number": number,
        "issue_date": "2024-03-01",
        "due_date": "2024-03-31",
        "delivery_date": "2024-02-28",
        "currency": "EUR",
        "seller_name": "Example Paper GmbH",
        "seller_tax_id": "DE136695976",
        "buyer_name": "Sample Office Ltd",
        "buyer_tax_id": None,
        "purchase_order": None,
        "buyer_reference": None,
        "line_total": 100.00,
        "allowance_total": None,
        "charge_total": None,
        "net_total": 100.00,
        "tax_total": 19.00,
        "gross_total": 119.00,
        "prepaid": None,
        "rounding": None,
        "amount_due": 119.00,
        "iban": "DE89370400440532013000",
        "payment_reference": None,
        "line_items": [line | {"net_amount": 100.00, "tax_rate": 19, "status": None}],
        "tax_lines": [{"category": "S", "rate": 19, "base": 100.00, "amount": 19.00}],
        "allowances_charges": [],
    }


@asynccontextmanager
async def serving(server: ModelServer, port: int = 0) -> AsyncGenerator[str]:
    """Serves on this machine while the block lasts; yields the base URL, as OPENAI_BASE_URL takes it."""
    runner = web.AppRunner(server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=8192)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _serve_for_ever(behaviour: Behaviour, port: int) -> None:
    async with serving(ModelServer(behaviour), port) as url:
        print(f"listening on {url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds an answer takes")
    parser.add_argument("--fail-429", type=float, default=0.0, help="rate of refusals, 0 to 1")
    parser.add_argument("--fail-500", type=float, default=0.0, help="rate of server errors")
    parser.add_argument("--garbage", type=float, default=0.0, help="rate of answers that are no JSON")
    parser.add_argument("--hang", type=float, default=0.0, help="rate of calls that are never answered")
    parser.add_argument("--truncate", type=float, default=0.0, help="rate of answers that are cut off")
    parser.add_argument("--misfit", type=float, default=0.0, help="rate of answers that are JSON of another schema")
    parser.add_argument("--rpm", type=int, help="calls accepted in any 60 seconds")
    parser.add_argument("--headers", action="store_true", help="say in every reply what is left of --rpm")
    parser.add_argument("--seed", type=int, default=0, help="of the failures")
    args = vars(parser.parse_args())
    port = args.pop("port")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve_for_ever(Behaviour(**args), port))


if __name__ == "__main__":
    main()
