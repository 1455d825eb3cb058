"""What Ctrl-C and SIGTERM mean to a run: it is asked to stop, then cancelled, and at the third left as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Protocol


def _print(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201


class Stoppable(Protocol):
    """A run, or many that are driven as one."""

    def stop(self) -> None: ...


class Signals:
    """Ctrl-C and SIGTERM: the first stops claims and lets calls in flight end, the second stops at once, the third
    leaves without tidying up. `say` is how the user is told."""

    def __init__(self, say: Callable[[str], None] = _print) -> None:
        self._say = say
        self._run: Stoppable | None = None
        self._count = 0
        self._main = asyncio.current_task()

    def __enter__(self) -> Signals:
        self.take()
        return self

    def take(self) -> None:
        """Makes both ours, again if something has taken them meanwhile."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.received)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

    def handle(self, run: Stoppable) -> None:
        """From now on a first signal stops this run gracefully."""
        self._run = run
        if self._count:
            run.stop()

    def received(self) -> None:
        """A signal came, or a word that means the same."""
        self._count += 1
        if self._count == 1 and self._run is not None:
            self._run.stop()
            self._say("stopping: calls in flight may end; again to stop at once")
        elif self._count <= 2 and self._main is not None:
            self._main.cancel()
        else:
            os._exit(130)
