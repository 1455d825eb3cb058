"""Many workers driven as one (`--engine`): real processes at one OUT, and the crew's rules with made-up seats."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.documents import write_invoices
from tests import servers

from counterfoil.command_run_options import Options
from counterfoil.distribute_crew import Crew
from counterfoil.distribute_local import LocalSeat
from counterfoil.distribute_order import Ended, Order, Word, anchored
from counterfoil.errors import SetupError, Unavailable
from counterfoil.manifest import Manifest
from counterfoil.store import Entry
from test_cli import counterfoil, model_server, started
from virtual import virtual_clock, virtually

MODEL = "openai:gpt-4.1-mini"


def at_work(out: Path) -> dict[int, str]:
    """The workers that have announced themselves at an OUT: their process ids and names."""
    beats = [json.loads(path.read_text()) for path in (out / "workers").glob("*.json")]
    return {beat["pid"]: beat["worker"] for beat in beats}


def until(found: Callable[[], object], patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not found():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def records(out: Path) -> list[Mapping[str, object]]:
    shards = [json.loads(path.read_text()) for path in (out / "manifest").glob("*.json")]
    return [record for shard in shards for record in shard["records"].values()]


def running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def calls(environ: Mapping[str, str]) -> Mapping[str, int]:
    import urllib.request

    with urllib.request.urlopen(environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/stats") as reply:
        return json.loads(reply.read())


# --- real processes


def test_a_batch_by_three_processes_is_finished_and_paid_once_though_one_is_killed(tmp_path: Path):
    """Another takes its place, and what is paid again is what it had in flight."""
    source, out = write_invoices(tmp_path / "in", 48), tmp_path / "out"
    with model_server(latency=0.3) as environ:
        options = ["--model", MODEL, "--engine", "local", "--workers", "3", "--concurrency", "4", "--json"]
        run = started("run", source, "--out", out, *options, environ=environ)
        until(lambda: len(at_work(out)) == 3 and any(record["status"] == "done" for record in records(out)))
        victim, name = next(iter(at_work(out).items()))
        os.kill(victim, signal.SIGSTOP)
        asked_then = sum(record["owner"] == name and "asking" in record for record in records(out))
        os.kill(victim, signal.SIGKILL)
        stdout, stderr = run.communicate(timeout=60)
        asked = calls(environ)["calls"]
    summary = json.loads(stdout)
    assert (run.returncode, summary["documents"], summary["done"]) == (0, 48, 48)
    assert 48 <= asked <= 48 + asked_then
    assert 48 <= summary["paid_calls"] <= 48 + asked_then
    assert stderr.count("a worker was lost (killed by SIGKILL); another takes its place") == 1
    assert counterfoil("verify", out).returncode == 0
    assert not any(map(running, at_work(out)))
    again = json.loads(counterfoil("run", source, "--out", out, "--engine", "local[2]", "--json").stdout)
    assert (again["documents"], again["paid_calls"], again["adopted"], again["commits"]) == (48, 0, 0, 0)


def test_ctrl_c_stops_all_workers_and_what_they_had_asked_is_recorded(tmp_path: Path):
    """The driver alone gets the signal: a terminal's Ctrl-C reaches no worker before it has been told."""
    source, out = write_invoices(tmp_path / "in", 60), tmp_path / "out"
    with model_server(latency=0.5) as environ:
        options = ["--model", MODEL, "--engine", "local[2]", "--concurrency", "4", "--json"]
        run = started("run", source, "--out", out, *options, environ=environ)
        until(lambda: calls(environ)["in_flight"] >= 8)
        workers = at_work(out)
        run.send_signal(signal.SIGINT)
        summary = json.loads(run.communicate(timeout=30)[0])
        asked = calls(environ)
    assert run.returncode == 130
    assert asked["calls"] == asked["completed"] == summary["paid_calls"] == summary["done"] > 0
    assert (summary["unknown_calls"], summary["pending"]) == (0, 60 - summary["done"])
    assert not any(record["status"] == "running" for record in records(out))
    assert len(workers) == 2
    assert not any(map(running, workers))


def test_workers_whose_driver_is_gone_record_what_they_have_asked_and_leave(tmp_path: Path):
    """Nobody is left to start them again, so nothing new is begun."""
    source, out = write_invoices(tmp_path / "in", 40), tmp_path / "out"
    with model_server(latency=0.5) as environ:
        options = ["--model", MODEL, "--engine", "local[2]", "--concurrency", "4", "--quiet"]
        run = started("run", source, "--out", out, *options, environ=environ)
        until(lambda: calls(environ)["in_flight"] >= 8)
        workers = at_work(out)
        run.kill()
        run.communicate()
        until(lambda: not any(map(running, workers)), 10)
        done = sum(record["status"] == "done" for record in records(out))
        assert 0 < calls(environ)["completed"] == done < 40


def test_a_key_that_is_refused_is_one_sentence_not_one_of_each_worker(tmp_path: Path):
    """As without workers: exit code 2, and everything stays pending."""
    refused = json.dumps({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}).encode()
    source, out = write_invoices(tmp_path / "in", 6), tmp_path / "out"
    with servers.scripted(lambda method, path: (401, refused)) as (url, _):
        environ = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "wrong-key-of-somebody"}
        options = ["--model", MODEL, "--engine", "local[3]", "--json"]
        run = counterfoil("run", source, "--out", out, *options, environ=environ)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("Incorrect API key provided") == 1
    assert "wrong-key-of-somebody" not in run.stderr
    assert {record["status"] for record in records(out)} == {"pending"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "--engine"),
        (["--engine", "spark"], "'spark' is no engine"),
        (["--engine", "local[0]"], "is no engine"),
        (["--engine", "local[2]", "--workers", "3"], "contradict each other"),
        (["--engine", "local", "--address", "auto"], "--engine ray"),
        (["--engine", "local", "--batch", "--model", MODEL], "leave out --engine"),
        (["--engine", "local", "--model", MODEL], "OPENAI_API_KEY"),
        pytest.param(
            ["--engine", "ray"],
            "pip install 'counterfoil[ray]'",
            marks=pytest.mark.skipif(find_spec("ray") is not None, reason="ray is installed here"),
        ),
    ],
)
def test_what_can_not_be_spread_is_said_before_anything_is_made(options: list[str], said: str, tmp_path: Path):
    """One sentence, exit code 2."""
    environ = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    run = counterfoil("run", "samples", "--out", tmp_path / "out", *options, environ=environ)
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


async def test_a_worker_refuses_folders_that_are_not_the_drivers(tmp_path: Path):
    """A path may be another folder on another machine: it would begin a batch of its own there, and pay for it."""
    source, out = tmp_path / "in", tmp_path / "out"
    write_invoices(source, 1)
    order = Order(Options(str(source), str(out)), {"shards": 1}, readers=1)
    assert "is not the OUT of this run" in (await _sent(order)).reason
    assert not out.exists()
    async with Manifest.open(str(out)) as manifest:
        assert "is the OUT of another run" in (await _sent(order)).reason
        order = replace(order, header=manifest.header, witnesses=[Entry("invoice-00000.pdf", 1, "another mark")])
    refused = await _sent(order)
    assert refused.how == "refused"
    assert "is another folder than the SOURCE of this run" in refused.reason


async def _sent(order: Order) -> Ended:
    return await LocalSeat(order, os.environ, sys.path).work()


def test_a_worker_killed_with_its_parent_leaves_no_reading_process(tmp_path: Path):
    """What an actor of a cluster is when its node's agent kills it: nobody can tell the worker beneath."""
    write_invoices(tmp_path / "in", 1)
    out = tmp_path / "out"
    with model_server(latency=30) as environ:
        command = [sys.executable, "-c", _PARENT, str(tmp_path / "in"), str(out)]
        parent = subprocess.Popen(command, env=os.environ | environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        until(lambda: at_work(out) and calls(environ)["in_flight"])
        (worker,) = at_work(out)
        readers = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == worker]
        parent.kill()
        parent.wait()
        until(lambda: not any(map(running, [worker, *readers])), 5)
    assert readers


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


_PARENT = f"""
import asyncio, os, sys
from counterfoil.command_run_options import Options
from counterfoil.distribute_local import LocalSeat
from counterfoil.distribute_order import Order
from counterfoil.manifest import Manifest
from counterfoil.store import Entry
from counterfoil.source import open_source, plan
from counterfoil.worker import Worker

async def main(source, out):
    async with Manifest.open(out) as manifest, Worker.join(manifest) as planner:
        await plan(await open_source(source, out=out), manifest, planner)
    order = Order(Options(source, out, "{MODEL}"), manifest.header, readers=1)
    await LocalSeat(order, os.environ, sys.path, parent=os.getpid()).work()

asyncio.run(main(*sys.argv[1:]))
"""


def test_paths_mean_the_same_in_every_folder_and_urls_stay():
    """A worker may have another current folder."""
    options = anchored(Options("in", "s3://bucket/out", schema="mine.py:Note"))
    assert options.source == str(Path.cwd() / "in")
    assert (options.out, options.schema) == ("s3://bucket/out", f"{Path.cwd()}/mine.py:Note")
    assert anchored(Options("in", "out", schema="package.mine:Note")).schema == "package.mine:Note"


# --- the crew's rules


class Part:
    """A seat whose workers end as written, one after the other; at the end of the script they work until told."""

    def __init__(self, *script: Ended, takes: float = 1.0, placed: bool = True) -> None:
        self.script, self.takes, self.placed = list(script), takes, placed
        self.words: list[Word] = []
        self.begun = 0
        self._told = asyncio.Event()

    async def work(self) -> Ended:
        self.begun += 1
        if not self.placed or not self.script:
            await self._told.wait()
            return Ended("stopped")
        await asyncio.sleep(self.takes)
        return self.script.pop(0)

    async def present(self) -> bool:
        return self.placed

    async def tell(self, word: Word) -> None:
        self.words.append(word)
        if self.placed:
            self._told.set()


FINISHED, LOST = Ended("finished"), Ended("lost", "killed by SIGKILL")


def drive(*parts: Part, after: Callable[[Crew], None] = lambda crew: None) -> tuple[Crew, list[str], float]:
    """The crew once it is through, what it said, and how long that took."""
    said: list[str] = []

    async def work() -> tuple[Crew, list[str], float]:
        crew = Crew(parts, said.append, virtual_clock())
        after(crew)
        await crew.work()
        return crew, said, asyncio.get_running_loop().time()

    return virtually(work())


def test_a_lost_worker_is_replaced():
    """At once for the first time."""
    part = Part(LOST, FINISHED)
    crew, said, seconds = drive(part)
    assert (part.begun, seconds) == (2, 2.0)
    assert [end.how for end in crew.ends] == ["finished"]
    assert said == ["a worker was lost (killed by SIGKILL); another takes its place"]


def test_workers_that_never_come_up_are_replaced_a_few_times_only():
    """With longer and longer rests between."""
    parts = Part(*[LOST] * 99), Part(*[LOST] * 99)
    with pytest.raises(Unavailable, match="2 workers were lost 5 times running, the last: killed by SIGKILL"):
        drive(*parts)
    assert [part.begun for part in parts] == [5, 5]


def test_a_place_that_stays_empty_is_said_and_the_others_go_on():
    """They may be all that a cluster can bear."""
    _, said, _ = drive(Part(*[LOST] * 99), Part(FINISHED, takes=100.0))
    assert said[-1] == "a worker was lost 5 times running (killed by SIGKILL); its place stays empty"


def test_a_worker_that_is_lost_now_and_then_is_always_replaced():
    """Machines of a cluster come and go."""
    part = Part(*[LOST] * 50, FINISHED, takes=100.0)
    drive(part)
    assert part.begun == 51


def test_an_error_of_the_set_up_that_all_meet_is_raised_once():
    """And no worker is tried again."""
    parts = [Part(Ended("refused", "the key is wrong")) for _ in range(3)]
    with pytest.raises(SetupError, match=r"^the key is wrong$"):
        drive(*parts)
    assert [part.begun for part in parts] == [1, 1, 1]


def test_who_waits_for_a_place_is_not_waited_for_where_everybody_else_was_refused():
    """A cluster may never find one."""
    with pytest.raises(SetupError, match="the key is wrong"):
        drive(Part(Ended("refused", "the key is wrong")), Part(placed=False))


def test_others_go_on_without_a_worker_that_can_not_work_and_its_user_hears_why():
    """One node of a cluster may lack a package."""
    crew, said, _ = drive(Part(Ended("refused", "no tesseract")), Part(FINISHED, takes=100.0))
    assert {end.how for end in crew.ends} == {"refused", "finished"}
    assert said == ["a worker can't work: no tesseract"]


def test_a_batch_ends_without_the_workers_that_never_found_a_place():
    """They were wanted for work that others have done."""
    _, _, seconds = drive(Part(FINISHED, takes=5.0), Part(placed=False), Part(placed=False))
    assert seconds == 5.0


def test_at_the_limit_of_cost_calls_in_flight_may_end_and_nobody_is_replaced():
    """The limit is of all workers; each finds it reached by itself, and one of them may have long calls out."""
    parts = Part(Ended("cost")), Part(Ended("cost"), takes=40.0), Part(placed=False)
    crew, _, seconds = drive(*parts)
    assert [end.how for end in crew.ends] == ["cost", "cost"]
    assert ([part.begun for part in parts], seconds) == ([1, 1, 1], 40.0)


def test_that_nobody_finds_a_place_for_long_is_said():
    """What was asked for may never be there."""
    parts = Part(placed=False), Part(placed=False)
    _, said, _ = drive(*parts, after=lambda crew: stop_after(100.0, crew))
    assert [sentence.partition(":")[0] for sentence in said] == ["no worker has found a place yet"]


def stop_after(seconds: float, crew: Crew) -> None:
    asyncio.get_running_loop().call_later(seconds, crew.stop)


def test_a_worker_that_does_not_notice_that_all_is_done_is_sent_away():
    """It may hang; what is left of it is nobody's."""
    part = Part()
    _, _, seconds = drive(Part(FINISHED), part)
    assert part.words == ["now"]
    assert 10 < seconds < 30


def test_to_stop_tells_everybody_and_replaces_nobody():
    """Calls in flight may end; who has no place yet is not waited for."""
    parts = Part(), Part(LOST, takes=3.0), Part(placed=False)
    crew, _, seconds = drive(*parts, after=lambda crew: stop_after(2.0, crew))
    assert crew.stopping
    assert [part.words for part in parts[:2]] == [["stop"], ["stop"]]
    assert [part.begun for part in parts] == [1, 1, 1]
    assert seconds < 5


def test_cancelling_leaves_no_worker_behind():
    """Ctrl-C for the second time: told to leave at once."""
    parts = Part(), Part()

    async def work() -> None:
        crew = Crew(parts, lambda said: None, virtual_clock())
        task = asyncio.create_task(crew.work())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    virtually(work())
    assert [part.words for part in parts] == [["now"], ["now"]]
