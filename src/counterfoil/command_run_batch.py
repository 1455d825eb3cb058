"""What `counterfoil run` does about batches: which kind of run an OUT needs, and what is said of them at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, cast

from .batch import BATCH_PROVIDERS, BatchService, open_batch_service
from .batch_book import Batch, BatchBook
from .display import counted
from .errors import SetupError
from .pipeline import Run
from .settings import Settings, Tools

if TYPE_CHECKING:
    from .pipeline_batch import BatchRun


async def run_at(
    stack: AsyncExitStack,
    tools: Tools,
    settings: Settings,
    service: BatchService | None,
    *,
    model: str | None,
    environ: Mapping[str, str],
) -> Run:
    """The run for an OUT. With a `service` it submits batches there; without one, it collects those that there are, as
    far as they are those of `model` and its key."""
    asks = service is not None
    if not asks and not tools.worker.bound:
        return Run(tools, settings)
    if service is None and model and model.partition(":")[0] in BATCH_PROVIDERS:
        with suppress(SetupError):  # it has no such account, then; its batches are left alone
            service = await stack.enter_async_context(open_batch_service(model, environ))
    from .pipeline_batch import BatchRun  # only for an OUT that has batches: others start without it

    book = BatchBook(tools.manifest)
    stack.push_async_callback(book.close)
    return BatchRun(tools, settings, book, service, asks=asks)


def _with_batches(run: Run) -> BatchRun | None:
    return None if type(run) is Run else cast("BatchRun", run)


def still_running(run: Run) -> int:
    """How many batches the provider is still working on."""
    batched = _with_batches(run)
    return len(batched.running) if batched else 0


def sentences(run: Run, out: str) -> Iterator[str]:
    """What a person should know of batches once a run has ended."""
    batched = _with_batches(run)
    if batched is None:
        if waiting := run.tools.worker.bound.total():  # others have begun a batch meanwhile
            yield f"{counted(waiting, 'document')} left to batches of other runs: run again to collect them"
        return
    if running := batched.running:
        requests = sum(batch.count for batch in running)
        yield (
            f"{counted(len(running), 'batch', 'batches')} with {counted(requests, 'request')} still run at "
            f"{running[0].endpoint} and will be billed: run again to collect them, or cancel them with "
            f"`counterfoil batches {out} --cancel`"
        )
    for name, documents in batched.left.items():
        yield f"{counted(documents, 'document')} left as they are: {whose(batched.foreign(name))}"


def whose(batch: Batch) -> str:
    """Who can deal with a batch."""
    return (
        f"the batch {batch.name} was submitted by another account or for another model; run with --model {batch.model} "
        f"and the key for {batch.endpoint} that it was submitted with"
    )
