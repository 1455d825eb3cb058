"""One call over bare HTTP: what the drivers share whose tool does not call models itself."""

from __future__ import annotations

import json

import aiohttp

from job import MODEL, PROMPT, Job


def session(job: Job) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=job.concurrency))


async def ask(http: aiohttp.ClientSession, url: str, text: str) -> str:
    """The invoice number that the model reads."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT + text}]}
    async with http.post(f"{url}/chat/completions", json=body) as response:
        response.raise_for_status()
        reply = await response.json()
    return json.loads(reply["choices"][0]["message"]["content"])["invoice_number"]
