"""`counterfoil batches`: the batches of an OUT as their providers see them now, and their end if that is asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from .batch import BatchGone, BatchService, Sought, open_batch_service
from .batch_book import Batch, BatchBook
from .command_run_batch import whose
from .display import printable
from .errors import SetupError, Unavailable
from .manifest import Manifest


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch, what its provider says of it (or why that can't be asked), and whether it was cancelled just now."""

    batch: Batch
    said: str
    cancelled: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self.batch), "said": self.said, "cancelled_now": self.cancelled}


async def see_batches(
    out: str, names: Sequence[str], *, cancel: bool, environ: Mapping[str, str] = os.environ
) -> list[Seen]:
    """Every batch of an OUT, or those named, oldest first; with `cancel`, those that run are told to end.

    Raises `SetupError` for a name that is none, and for one to be cancelled that another account has submitted.
    """
    reading = await Manifest.read(out)
    async with AsyncExitStack() as stack:
        accounts = await stack.enter_async_context(_accounts(environ))
        if cancel:
            manifest = await stack.enter_async_context(Manifest.open(reading.store, clock=reading.clock))
            book = BatchBook(manifest)
            stack.push_async_callback(book.close)
        else:
            book = BatchBook(reading)
        known = await book.read()
        if unknown := [name for name in names if name not in known]:
            raise SetupError(f"{unknown[0]}: no such batch; `counterfoil batches {out}` names them")
        chosen = [batch for name, batch in known.items() if not names or name in names]
        seeing = _Seeing(book, known, accounts, cancel=cancel, named=bool(names))
        return [await seeing.see(batch) for batch in sorted(chosen, key=lambda batch: batch.at)]


class _Accounts:
    """The accounts that the environment has keys for, opened as they are needed."""

    def __init__(self, stack: AsyncExitStack, environ: Mapping[str, str]) -> None:
        self._stack, self._environ = stack, environ
        self._opened: dict[str, BatchService | SetupError] = {}

    async def of(self, batch: Batch) -> BatchService:
        """The account that submitted a batch; `SetupError` if that is not at hand."""
        if batch.model not in self._opened:
            try:
                service = await self._stack.enter_async_context(open_batch_service(batch.model, self._environ))
                self._opened[batch.model] = service
            except SetupError as exc:
                self._opened[batch.model] = exc
        found = self._opened[batch.model]
        if isinstance(found, SetupError):
            raise found
        if found.account != batch.account:
            raise SetupError(whose(batch))
        return found


@asynccontextmanager
async def _accounts(environ: Mapping[str, str]) -> AsyncGenerator[_Accounts]:
    async with AsyncExitStack() as stack:
        yield _Accounts(stack, environ)


class _Seeing:
    """Asks about one batch after the other."""

    def __init__(
        self, book: BatchBook, known: Mapping[str, Batch], accounts: _Accounts, *, cancel: bool, named: bool
    ) -> None:
        self._book, self._known, self._accounts = book, known, accounts
        self._cancel, self._named = cancel, named

    async def see(self, batch: Batch) -> Seen:
        if not batch.live:
            return Seen(batch, batch.said or batch.state)
        try:
            service = await self._accounts.of(batch)
        except SetupError as exc:
            if self._cancel and self._named:
                raise
            return Seen(batch, str(exc))
        try:
            return await self._asked(batch, service)
        except Unavailable as exc:
            if self._cancel:
                raise
            return Seen(batch, f"can't be asked at the moment: {exc}")

    async def _asked(self, batch: Batch, service: BatchService) -> Seen:
        at_provider = batch.id or await self._found(batch, service)
        if at_provider is None:
            return Seen(batch, "not known to be submitted; a run finds out whether it was")
        try:
            view = await service.look(at_provider)
            if not self._cancel or view.ended:
                return Seen(batch, view.said)
            await self._book.cancelling(batch.name)
            await service.cancel(at_provider)
            return Seen(batch, (await service.look(at_provider)).said, cancelled=True)
        except BatchGone as exc:
            return Seen(batch, str(exc))

    async def _found(self, batch: Batch, service: BatchService) -> str | None:
        others = [other.id for other in self._known.values() if other.id]
        found = (await service.find(Sought(batch.name, batch.count, batch.since, others))).id
        if found and self._cancel:
            await self._book.submitted(batch.name, found)
        return found


def print_batches(seen: Sequence[Seen]) -> None:
    """One line a batch; nothing if there are none."""
    from .tables import Column, print_table

    columns = (
        Column("batch"),
        Column("state"),
        Column("requests", right=True),
        Column("model", goes=2),
        Column("at the provider", goes=1),
        Column("begun", goes=3),
        Column("said", wraps=20),
    )
    rows = [_row(one.batch, one.said) for one in seen]
    if rows:
        print_table(columns, rows)


def _row(batch: Batch, said: str) -> list[str]:
    return [batch.name, batch.state, f"{batch.count:,}", batch.model, batch.id or "", batch.at, printable(said)]
