"""The pipeline that many write first: each answer is recorded in one manifest in S3, under one asyncio.Lock.

Run again, it asks only for the documents that the manifest doesn't have. It records an answer once and claims nothing,
which is the least that such a pipeline can do.
"""

from __future__ import annotations

import asyncio
import os

from benchmarks.ways import opened, recorded
from counterfoil.locations import open_store
from job import given, leave
from plain import ask, session


async def main() -> None:
    job = given()
    store, texts = open_store(job.s3, os.environ), job.texts()
    before = await recorded("lock", store) if await store.get("shared.json") else {name: {} for name in texts}
    slots = asyncio.Semaphore(job.concurrency)

    async def read(name: str) -> None:
        if before[name]:
            return
        async with slots:
            answer = await ask(http, job.url, texts[name])
        await manifest.update(name, {"invoice_number": answer})

    async with session(job) as http, opened("lock", store, before) as manifest:
        await asyncio.gather(*map(read, texts))
    after = {name: fields["invoice_number"] for name, fields in (await recorded("lock", store)).items()}
    leave(job, after, len(after))


asyncio.run(main())
