"""Documents that need no model: how fast they are read, and how free the event loop is meanwhile.

The whole of a run in this process, from the listing to the last record: its reading processes, its checks, its OUT in a
folder. The lag is how much later than asked a sleep of a few milliseconds ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from statistics import quantiles

from counterfoil.command_run import Options, run_batch
from counterfoil.display import Display

from .documents import write_invoices
from .row import Row, Setting

_DOCUMENTS = 1500
_TICK = 0.005


def reading(setting: Setting) -> list[Row]:
    """One-page PDFs with text by the offline rules."""
    folder = write_invoices(setting.folder / "source", _DOCUMENTS)
    lags: list[float] = []
    runs = [asyncio.run(_read(str(folder), str(setting.folder / f"out{n}"), lags)) for n in range(setting.repeat)]
    rates = sorted(done / seconds for done, seconds in runs)
    done = {done for done, _ in runs}
    p99 = 1000 * quantiles(lags, n=100)[98]
    return [
        Row(
            f"{_DOCUMENTS:,} one-page PDFs, --reader rules: documents a second, the start of the processes included",
            f"{rates[len(rates) // 2]:.0f} ({', '.join(f'{rate:.0f}' for rate in rates)}), {_shown(sorted(done))} done",
            ">= 120",
            rates[len(rates) // 2] >= 120 and done == {_DOCUMENTS},
        ),
        Row(
            "the same: lag of the event loop meanwhile, p99",
            f"{p99:.1f} ms, longest {1000 * max(lags):.0f} ms",
            "< 15 ms",
            p99 < 15,
        ),
    ]


def _shown(numbers: Sequence[int]) -> str:
    return "/".join(map(str, numbers))


async def _read(source: str, out: str, lags: list[float]) -> tuple[int, float]:
    """How many documents were done, and in how many seconds."""
    begun = time.monotonic()
    watching = asyncio.create_task(_watch(lags))
    report = await run_batch(Options(source, out, reader="rules"), Display(quiet=True))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return report.summary["done"], time.monotonic() - begun


async def _watch(lags: list[float]) -> None:
    while True:
        due = time.monotonic() + _TICK
        await asyncio.sleep(_TICK)
        lags.append(time.monotonic() - due)
