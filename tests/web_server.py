"""`counterfoil serve` as a real process, for as long as a `with` lasts."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfoil.command_serve import Options, Server, listening
from counterfoil.manifest import Manifest


@dataclass(frozen=True)
class Served:
    """Its address, with a slash at its end and the token where there is one, and the process."""

    address: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return self.address.partition("?")[0]

    def stop(self) -> tuple[int, str, str]:
        """Ends it as Ctrl-C does: its exit code, and what it said after its address."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@contextmanager
def serving_here(out: Path, **options: Any) -> Generator[str]:
    """The address of the same server in a thread of this process: it is there at once."""
    begun: queue.Queue[Server] = queue.Queue()

    async def run(sock: socket.socket) -> None:
        server = Server(await Manifest.read(str(out)), sock, Options(str(out), 0, **options))
        begun.put(server)
        await server.watch_and_serve()

    with listening("127.0.0.1", 0) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(run(sock)))
        thread.start()
        server = begun.get(timeout=10)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(out: Path | str, *options: str, **environ: str) -> Generator[Served]:
    """The server on any free port, once it has said its address."""
    command = [sys.executable, "-m", "counterfoil", "serve", str(out), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environ
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            raise RuntimeError(f"no address: {line}{process.communicate(timeout=10)[1]}")
        yield Served(found[0], process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
