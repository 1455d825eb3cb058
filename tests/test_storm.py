"""The storm itself: that it passes where it must, and that what it counts with can tell a fault from none."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import storm_hosts
from benchmarks.machine import s3_server
from benchmarks.model_server import sample_invoice
from benchmarks.storm_count import Count, count
from benchmarks.storm_crew import Blow
from benchmarks.storm_model import Call
from benchmarks.storm_proxy import FATES, Proxy

from counterfoil.checks import tidy
from counterfoil.model_answer import parse_invoice
from counterfoil.store_memory import MemoryStore

ROOT = Path(__file__).resolve().parents[1]
NAME = "invoice-00001.pdf"
DEAD = "host-17-abc"


@pytest.mark.timeout(100)
def test_a_few_seconds_of_storm_lose_nothing_and_pay_for_nothing_without_a_reason():
    """Real processes killed, stopped and interrupted over an S3 server whose replies are cut; then all is finished."""
    options = "--seconds 4 --documents 20 --workers 3 --latency 0.5 --lease 1 --seed 1 --on S3".split()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.storm", *options], capture_output=True, text=True, cwd=ROOT, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished" in done.stdout


# --- what it counts with


def counted(
    calls: list[Call], blows: list[Blow], *, said: str = NAME, status: str = "done", taken_at: str | None = None
) -> Count:
    """One document with its record and its result, stored at 20 s."""

    async def story() -> Count:
        store, key = MemoryStore("memory://storm"), "results/aa/aa.json"
        history = [{"event": "taken over", "dead": DEAD, "at": taken_at}] if taken_at else []
        record = {"status": status, "result": key, "history": history}
        await store.put("manifest/0000.json", json.dumps({"records": {NAME: record}}).encode())
        invoice = tidy(parse_invoice(json.dumps(sample_invoice(said)))).model_dump(mode="json")
        await store.put(key, json.dumps({"document": NAME, "invoice": invoice}).encode())
        return await count(store, [NAME], calls, blows, {key: 20.0}, {DEAD: "dead"}.get)  # type: ignore[arg-type]

    return asyncio.run(story())


def test_what_is_not_finished_is_lost_and_what_the_model_did_not_say_is_wrong():
    """Both are judged by the files alone."""
    assert (counted([], []).finished, counted([], []).wrong, counted([], []).lost) == (1, [], [])
    assert counted([], [], status="running").lost == [NAME]
    assert counted([], [], said="another.pdf").wrong == [NAME]


def test_a_second_call_needs_a_worker_that_was_hit_during_the_first():
    """Hit before it began, or after its result was stored, is no reason; nor is a blow to somebody else."""
    calls = [Call(NAME, "a", 10.0, 12.0), Call(NAME, "b", 18.0, 19.0)]

    def unexplained(*blows: Blow) -> int:
        return len(counted(calls, list(blows)).unexplained)

    assert unexplained(Blow("a", "kill -9", 11.0, 11.0)) == 0
    assert unexplained(Blow("a", "SIGSTOP", 9.0, 10.1)) == 0
    assert unexplained() == 1
    assert unexplained(Blow("a", "kill -9", 9.0, 9.1)) == 1
    assert unexplained(Blow("a", "kill -9", 21.0, 21.0)) == 1
    assert unexplained(Blow("c", "kill -9", 11.0, 11.0)) == 1


def test_the_bound_is_the_documents_and_the_calls_that_were_open_when_their_worker_was_hit():
    """A call is counted once, however often its worker was hit."""
    blows = [Blow("a", "SIGSTOP", 11.0, 13.0), Blow("a", "kill -9", 14.0, 14.0)]
    outcome = counted([Call(NAME, "a", 10.0), Call(NAME, "b", 18.0, 19.0)], blows)
    assert (outcome.calls, outcome.bound, outcome.exposed) == (2, 2, 1)


def test_a_takeover_exposes_the_calls_of_whom_it_was_taken_from_and_no_others():
    """The manifest says who that was; the call of whoever took over is not excused by it."""
    at = "1970-01-01T00:00:11Z"
    first = Call(NAME, "dead", 10.0)
    assert counted([first, Call(NAME, "b", 12.0)], [], taken_at=at).unexplained == []
    assert len(counted([first, Call(NAME, "b", 12.0), Call(NAME, "b", 13.0)], [], taken_at=at).unexplained) == 1


# --- what it does to requests


@pytest.mark.parametrize("fate", [fate for fate in FATES if fate != "hung"])
def test_a_fate_applies_a_request_or_not_and_tells_the_client_or_not(fate: str):
    """What reached the store, and whether the client heard a 200 of it."""

    async def story() -> tuple[bool, bool]:
        with s3_server(0, 0) as s3:
            proxy = Proxy(s3.url, 1.0, random.Random(1), [fate])
            async with proxy.serving("127.0.0.1") as url:
                heard = await put(url)
                await asyncio.sleep(1.6 if fate == "late" else 0)
            return bool(proxy.stored), heard.startswith(b"HTTP/1.1 200") and heard.endswith(b"\r\n\r\n")

    applied = {"unanswered", "late", "delayed", "reset", "masked"}
    assert asyncio.run(story()) == (fate in applied, fate == "delayed")


async def put(url: str) -> bytes:
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(b"PUT /storm/out/results/aa/aa.json HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    try:
        async with asyncio.timeout(3):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        return exc.partial
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.skipif(storm_hosts.problem() is not None, reason=str(storm_hosts.problem()))
def test_a_host_that_is_cut_off_hears_nothing_until_it_is_let_back():
    """It reaches us under an address of its own, then not, then again; afterwards it is gone."""
    call = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5)"

    with storm_hosts.network(2) as network:
        host = network.hosts[0]

        def reaches(port: int) -> bool:
            command = host.command("h", sys.executable, "-c", call, network.address, str(port))
            return subprocess.run(command, capture_output=True).returncode == 0

        with socket.create_server((network.address, 0)) as listening:
            port = listening.getsockname()[1]
            assert reaches(port)
            host.cut_off()
            assert not reaches(port)
            host.let_back()
            assert reaches(port)
    assert not Path("/run/netns", host.name).exists()
