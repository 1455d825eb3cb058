"""One worker process of many, started by a seat (`distribute_main`).

Its order comes in on stdin, and then words; how its work ended goes out on stdout, as its last line. The way between is
that of any run (`opened_run`): other workers are met at the manifest only. If stdin ends, whoever ordered it is gone:
it stops, calls in flight recorded. It tells keys to nobody: they are in its environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from dataclasses import asdict

from .command_run import Share, opened_run
from .command_run_batch import sentences, still_running
from .command_run_signals import Signals
from .display import Display, LogDisplay
from .distribute_order import Ended, Order, unpacked
from .errors import CounterfoilError, ManifestCorrupt, SetupError
from .lifeline import die_with
from .locations import local_path
from .logs import log_to_stderr
from .manifest import Manifest
from .source import open_source

_SAID = {b"stop": 1, b"now": 2}


def main() -> None:
    """Does what its order says, tells how that ended, and leaves."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints by mistake is no answer
    order = unpacked(os.fdopen(os.dup(0), "rb", buffering=0))
    if order.parent:
        die_with(order.parent)
    if order.options.log_format:
        log_to_stderr(order.options.log_format, order.options.log_level)
    ended = asyncio.run(_work(order))
    answer.write(json.dumps(asdict(ended)).encode())
    answer.flush()
    sys.stderr.flush()
    os._exit(0)


async def _work(order: Order) -> Ended:
    """Works to the end and says which; no exception leaves it."""
    logged = order.options.log_format is not None
    display = LogDisplay(quiet=True) if logged else Display(quiet=True)
    signals = Signals(display.urge)
    listening = asyncio.create_task(_listen(signals), name="words")
    try:
        return await _share(order, signals, display)
    except (SetupError, ManifestCorrupt) as exc:
        return Ended("refused", str(exc))
    except CounterfoilError as exc:
        return Ended("failed", str(exc))
    except asyncio.CancelledError:
        return Ended("stopped")
    except Exception as exc:  # a defect of ours: the driver says it, and tries again
        return Ended("failed", f"internal error ({type(exc).__name__}: {exc}); please report it")
    finally:
        listening.cancel()


async def _share(order: Order, signals: Signals, display: Display) -> Ended:
    await _find(order)
    async with opened_run(order.options, display, os.environ, Share(order.readers, signals)) as (run, known):
        await run.work(known)
        run.tools.offload.retire()
        how = "cost" if run.cost_reached else "stopped" if run.stopping else "finished"
        notes = tuple(sentences(run, order.options.out))
        return Ended(how, "", run.tools.manifest.stats.conflicts, still_running(run), notes)


async def _find(order: Order) -> None:
    """Raises `SetupError` unless SOURCE and OUT are here what they are for the driver: folders of its machine are not.

    Else a worker would begin a batch of its own, or fail every document because it isn't there.
    """
    options, host = order.options, socket.gethostname()
    need = "workers on several machines need a bucket, or a folder that all of them mount"
    try:
        found = await Manifest.read(options.out)
    except SetupError as exc:
        raise SetupError(f"{options.out} on {host} is not the OUT of this run ({exc}); {need}") from exc
    if found.header != order.header:
        raise SetupError(f"{options.out} on {host} is the OUT of another run; {need}")
    if order.witnesses and local_path(options.source):
        try:
            source = await open_source(options.source, out=options.out)
            there = [await source.store.look(document.key) for document in order.witnesses]
        except SetupError as exc:
            raise SetupError(f"{options.source} on {host} is not the SOURCE of this run ({exc}); {need}") from exc
        if not set(there) & set(order.witnesses):  # one may have been taken away since, not all
            raise SetupError(f"{options.source} on {host} is another folder than the SOURCE of this run; {need}")


async def _listen(signals: Signals) -> None:
    """Takes words for the signals that they mean, and the end of all words for a wish to stop."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    received = 0
    while received < max(_SAID.values()):
        word = (await reader.readline()).strip()
        for _ in range(received, _SAID.get(word, 1)):
            signals.received()
            received += 1
        if not word:
            return
