"""DBOS on SQLite: one workflow a document, whose one step is the call. At launch it goes on with what was under way.

A workflow's id is its document's name, so that a finished one is not run again. DBOS counts no calls: what it says of
spend are the steps it recorded.
"""

from __future__ import annotations

import asyncio

from dbos import DBOS, SetWorkflowID

from job import given, leave
from plain import ask, session

job = given()
DBOS(config={"name": "invoices", "system_database_url": f"sqlite:///{job.path('dbos.sqlite')}", "log_level": "WARNING"})


@DBOS.step()
async def call(text: str) -> str:
    async with session(job) as http:
        return await ask(http, job.url, text)


@DBOS.workflow()
async def read(text: str) -> str:
    return await call(text)


async def main() -> None:
    DBOS.launch()
    texts = job.texts()
    slots = asyncio.Semaphore(job.concurrency)

    async def once(name: str) -> str:
        async with slots:
            with SetWorkflowID(name):
                return await read(texts[name])

    answers = await asyncio.gather(*map(once, texts))
    steps = [await DBOS.list_workflow_steps_async(name) for name in texts]
    leave(job, dict(zip(texts, answers, strict=True)), sum(map(len, steps)))
    DBOS.destroy()


asyncio.run(main())
