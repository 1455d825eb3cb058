"""`counterfoil serve` as users start it: what it says, whom it lets in, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.web_made import record, write
from tests.web_server import serving

from counterfoil.command_serve import address_of, is_loopback, listening
from counterfoil.store_folder import FolderStore


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    asyncio.run(write(FolderStore(folder), {"a.pdf": record(), "b.pdf": record("failed", reason="no text")}))
    return folder


def ended(*arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-m", "counterfoil", "serve", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert run.stdout == ""
    return run.returncode, run.stderr


def test_it_says_its_address_serves_and_ends_quietly(out: Path):
    """With a page open that follows it, too: no stream holds it up, and Ctrl-C is no error."""
    with serving(out) as server:
        parts = urlsplit(server.url)
        assert parts.hostname == "127.0.0.1"
        with urllib.request.urlopen(server.url) as page:
            assert b"2 documents" in page.read().replace(b"</strong> of ", b"")
        stream = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=5)
        stream.request("GET", "/events?view=overview")
        events = stream.getresponse()
        assert events.getheader("content-type", "").startswith("text/event-stream")
        assert events.readline() == b"retry: 1000\n"
        assert server.stop() == (0, "", "")


def test_another_host_needs_a_token_and_is_given_one(out: Path):
    """Printed once, in the address; without it nobody comes in."""
    with serving(out, "--host", "0.0.0.0") as server:
        port = urlsplit(server.url).port
        token = server.address.partition("?token=")[2]
        assert len(token) >= 32
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/?token={token}") as page:
            assert page.headers["set-cookie"]


def test_what_can_t_be_served_is_one_sentence_and_2(out: Path, tmp_path: Path):
    """A port in use, no OUT, no such host, a token that could be guessed."""
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for arguments, words in (
            ((out, "--port", port), f"port {port} of 127.0.0.1 is in use; name another with --port"),
            ((tmp_path / "none",), "there is no manifest here"),
            ((tmp_path / "empty",), "there is no manifest here"),
            ((out, "--token", "short"), "at least 12"),
            ((out, "--host", "256.1.1.1"), "can't listen on 256.1.1.1"),
        ):
            code, said = ended(*arguments)
            assert code == 2
            assert words in said
            assert said.count("\n") == 1


def test_without_a_port_the_next_free_one_is_taken():
    """Two pages on one machine."""
    with listening("127.0.0.1", None) as one, listening("127.0.0.1", None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_this_machine_s_own_addresses_need_no_token(host: str, loopback: bool):
    """A name that could lead anywhere is not taken for one."""
    assert is_loopback(host) is loopback
    assert not is_loopback("example.test")


def test_the_printed_address_holds_any_token():
    """Of whatever characters it is: the address is opened as it stands."""
    token = "a b&c=d?#\u00fc" + "x" * 9
    assert parse_qsl(urlsplit(address_of("vm", 8765, token)).query) == [("token", token)]
