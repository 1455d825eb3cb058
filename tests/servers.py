"""Servers for tests: real S3 servers, each a process on a free port that writes only below a folder it is given, and
small ones (`scripted`, `silent`) that stand for what goes wrong.

A server ends with the `with` that started it. It watches its stdin, too, which closes when the tests' process is gone:
no way of dying leaves a server behind.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_PATIENCE = 30.0
_GUARDED = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def ministack(folder: Path) -> Generator[str]:
    """The URL of an S3 server that keeps conditional writes."""
    port = free_port()
    switches = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": "ERROR", "SERVICES": "s3,sqs"}
    environ = switches | {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "S3_DATA_DIR": str(folder / "s3")}
    with _running(["ministack"], folder, environ, f"http://127.0.0.1:{port}/_ministack/health") as process:
        yield _url(port, process)


@contextmanager
def localbucket(folder: Path) -> Generator[str]:
    """The URL of an S3 server that ignores If-Match, as some of the small ones do."""
    port = free_port()
    (folder / "data").mkdir()
    arguments = ["localbucket", "--port", str(port), str(folder / "data")]
    with _running(arguments, folder, {}, f"http://127.0.0.1:{port}/") as process:
        yield _url(port, process)


def make_bucket(url: str, bucket: str) -> None:
    """Both servers make a bucket for whoever asks."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/{bucket}", method="PUT")).close()


def _url(port: int, process: subprocess.Popen[bytes]) -> str:
    assert process.poll() is None
    return f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], ready: str
) -> Generator[subprocess.Popen[bytes]]:
    """The server's process, once `ready` answers."""
    own = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _GUARDED, *arguments],
            cwd=folder,
            env={**own, **environ},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{arguments[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def put_object(url: str, bucket: str, key: str, body: bytes) -> None:
    """Puts an object whose key no client of ours would make."""
    path = urllib.parse.quote(f"/{bucket}/{key}")
    urllib.request.urlopen(urllib.request.Request(url + path, body, method="PUT")).close()


def listed(url: str, bucket: str, prefix: str) -> list[str]:
    """The keys of a bucket that begin so, as anybody may list them there."""
    with urllib.request.urlopen(f"{url}/{bucket}?list-type=2&prefix={urllib.parse.quote(prefix)}") as answer:
        return re.findall(r"<Key>(.*?)</Key>", answer.read().decode())


@dataclass(frozen=True)
class Asked:
    """A request as it came: `key_id` and `region` are what it was signed with."""

    method: str
    path: str
    key_id: str
    region: str


@contextmanager
def scripted(reply: Callable[[str, str], tuple[int, bytes]]) -> Generator[tuple[str, list[Asked]]]:
    """A server that answers (method, path) as told: its URL, and what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signed = re.search(r"Credential=([^/]*)/[^/]*/([^/]*)/", self.headers.get("Authorization") or "")
            asked.append(Asked(self.command, self.path, *(signed.groups() if signed else ("", ""))))
            status, body = reply(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent() -> Generator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
