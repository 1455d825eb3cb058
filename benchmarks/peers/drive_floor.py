"""The floor: bare aiohttp and gather. Nothing is recorded before the end, and nothing outlives a kill."""

from __future__ import annotations

import asyncio

from job import given, leave
from plain import ask, session


async def main() -> None:
    job = given()
    texts = job.texts()
    slots = asyncio.Semaphore(job.concurrency)

    async def read(text: str) -> str:
        async with slots:
            return await ask(http, job.url, text)

    async with session(job) as http:
        answers = await asyncio.gather(*map(read, texts.values()))
    leave(job, dict(zip(texts, answers, strict=True)), len(answers))


asyncio.run(main())
