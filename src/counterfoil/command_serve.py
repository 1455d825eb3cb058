"""`counterfoil serve`: opens the watched OUT and a socket, serves the page, and closes all whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from urllib.parse import quote

import uvicorn

from .errors import SetupError
from .manifest import Manifest
from .web_app import application
from .web_originals import Originals
from .web_session import LEAST_TOKEN, Sessions, new_token
from .web_site import Site
from .web_watch import Watch

FIRST_PORT = 8765
_TRIED = 20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LAST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; `port` None: the first that is free, 0: any."""

    out: str
    port: int | None = None
    host: str = "127.0.0.1"
    token: str | None = None
    read_only: bool = False


class Server(uvicorn.Server):
    """One OUT on one socket. Leaves signals to whoever runs it: set `should_exit` to end it."""

    def __init__(self, manifest: Manifest, sock: socket.socket, options: Options) -> None:
        port: int = sock.getsockname()[1]
        loopback = is_loopback(options.host)
        self._sock, self._watch, self._originals = sock, Watch(manifest), Originals(manifest)
        self.token = options.token or (None if loopback else new_token())
        site = Site(self._watch, Sessions(self.token, port), options.read_only)
        config = uvicorn.Config(
            application(site, {*_LOOPBACK, options.host.lower()} if loopback else None, self._originals),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_LAST_WORDS,
        )
        super().__init__(config)

    async def watch_and_serve(self) -> None:
        """Until it is told to end."""
        looking = asyncio.create_task(self._watch.run(), name="watch")
        async with self._originals:
            try:
                await self.serve([self._sock])
            finally:
                looking.cancel()
                await asyncio.wait([looking])

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._watch.close()  # open streams would hold it up
        await super().shutdown(sockets)


async def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serves until it is told to stop; `say` is told the address once it can be opened."""
    if options.token is not None and len(options.token) < LEAST_TOKEN:
        raise SetupError(f"--token has {len(options.token)} characters; give it at least {LEAST_TOKEN}, or none")
    manifest = await Manifest.read(options.out)
    with listening(options.host, options.port) as sock:
        server = Server(manifest, sock, options)
        with _stopped_by_signals(server):
            say(address_of(options.host, sock.getsockname()[1], server.token))
            await server.watch_and_serve()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def listening(host: str, port: int | None) -> Generator[socket.socket]:
    """A socket that listens; without a port the first free one from `FIRST_PORT`. `SetupError` where there is none."""
    ports = [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + _TRIED), 0]
    for one in ports:
        try:
            sock = _listen(host, one)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise SetupError(f"can't listen on {host}, port {one}: {exc.strerror or exc}") from exc
        else:
            with sock:
                yield sock
            return
    raise SetupError(f"port {port} of {host} is in use; name another with --port, or leave it out for a free one")


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(512)
    except OSError:
        sock.close()
        raise
    return sock


def address_of(host: str, port: int, token: str | None) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


@contextlib.contextmanager
def _stopped_by_signals(server: Server) -> Generator[None]:
    """The first Ctrl-C or SIGTERM ends it, the second at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:
            os._exit(0)
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
