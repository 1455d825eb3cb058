"""python -m benchmarks.storm : kills, stops and cuts off real `counterfoil run` processes, and counts what is left.

Several processes share one OUT, a folder and then an S3 server behind a proxy that cuts replies. For a while they are
killed, stopped past their lease and resumed, and interrupted, at random, and documents are added and retried meanwhile;
then a clean run finishes the rest. With --hosts each process is on one of so many hosts with addresses of their own, of
which one is cut off from the network and let back, twice. Exit code 1 if anything was lost, wrong, or paid beyond the
bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterfoil.locations import open_store

from . import storm_hosts
from .documents import name, write_invoices
from .machine import Server, environment, s3_server
from .storm_count import Count, count
from .storm_crew import COUNTERFOIL, END_WITH_US, Crew
from .storm_hosts import Host, Network
from .storm_model import StormModel
from .storm_proxy import Proxy
from .storm_table import Outcome, failed, table

_BLOWS = {"kill": 4, "stop": 3, "interrupt": 2, "interrupt twice": 2, "retry": 2, "verify": 1}
_COMMAND_SECONDS = 120.0
_CLEAN_RUNS = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """`seconds` the storm lasts, `workers` processes at once, `lease` in seconds, `cuts` the share of requests cut."""

    seconds: float = 60.0
    seed: int = 0
    documents: int = 200
    workers: int = 4
    lease: float = 3.0
    cuts: float = 0.1
    latency: float = 2.0
    hosts: int = 0


@dataclass(slots=True)
class Storm:
    """Everything one storm is made of, opened."""

    setting: Setting
    folder: Path
    out: str
    environ: dict[str, str]
    chance: random.Random
    crew: Crew
    model: StormModel
    proxy: Proxy | None
    network: Network | None
    reserve: list[Path]
    audits: list[Any] = field(default_factory=list[Any])
    clean_runs: int = 0

    async def rage(self) -> None:
        """The storm itself."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            if self.network:
                tasks.create_task(self._cut_hosts_off(self.network))
            while (gone := time.monotonic() - begun) < self.setting.seconds:
                self._add_documents(gone / self.setting.seconds)
                self.crew.reap()
                if len(self.crew.members) < self.setting.workers:
                    self.crew.start(self._some_host())
                await self._strike(tasks)
                await asyncio.sleep(self.chance.uniform(0.1, 1.3))
        for member in self.crew.members:
            self.crew.kill(member)

    def _some_host(self) -> Host | None:
        return self.chance.choice(self.network.hosts) if self.network else None

    def _add_documents(self, passed: float) -> None:
        """Puts into the source what belongs there by now: all of it when two thirds of the storm have passed."""
        there = self.setting.documents * min(1.0, 0.2 + 1.2 * passed)
        while self.reserve and self.setting.documents - len(self.reserve) < there:
            document = self.reserve.pop(0)
            document.rename(self.folder / "source" / document.name)

    async def _strike(self, tasks: asyncio.TaskGroup) -> None:
        blow = self.chance.choices(list(_BLOWS), list(_BLOWS.values()))[0]
        if blow in ("retry", "verify"):
            tasks.create_task(self._retry() if blow == "retry" else self._verify())
            return
        standing = [member for member in self.crew.members if member.resume_at is None]
        if not standing:
            return
        member = self.chance.choice(standing)
        if blow == "kill":
            self.crew.kill(member)
        elif blow == "stop":
            self.crew.stop(member, self.setting.lease * self.chance.uniform(1.1, 3.0))
        else:
            self.crew.interrupt(member)
            if blow == "interrupt twice":
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))
                self.crew.interrupt(member)

    async def _cut_hosts_off(self, network: Network) -> None:
        """Twice, one host for longer than a lease."""
        for host in self.chance.sample([*network.hosts, *network.hosts], 2):
            await asyncio.sleep(self.setting.seconds * self.chance.uniform(0.15, 0.25))
            cut = self.crew.cut_off(host)
            await asyncio.sleep(self.setting.lease * self.chance.uniform(1.5, 2.5))
            self.crew.let_back(host, cut)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """A `counterfoil` command, left alone; its exit code and its output."""
        process = await asyncio.create_subprocess_exec(
            *(*END_WITH_US, COUNTERFOIL, *arguments),
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                out, errors = await process.communicate()
        except TimeoutError:
            self.crew.errors.append(f"counterfoil {arguments[0]} did not end within {_COMMAND_SECONDS:.0f} s")
            return -1, ""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        if process.returncode not in (0, 1):
            self.crew.errors.append(f"counterfoil {arguments[0]}: exit code {process.returncode}: {errors.decode()}")
        return process.returncode, out.decode()

    async def _retry(self) -> None:
        """Sends back what has outlived its workers, as somebody does who looks on."""
        if self._begun():
            self.crew.made["retry"] += 1
            await self.command("retry", self.out)

    async def _verify(self) -> None:
        if self._begun():
            _, said = await self.command("verify", self.out, "--json")
            if said:
                self.audits.append(json.loads(said))

    def _begun(self) -> bool:
        return bool(self.model.calls)  # before the first call there may be no manifest yet

    async def calm(self) -> None:
        """Runs left alone until all is finished; what is poison by then is sent back first."""
        if self.proxy:
            self.proxy.rate = 0.0
        while self.clean_runs < _CLEAN_RUNS:
            self.clean_runs += 1
            code, _ = await self.command(*run_arguments(self.setting, self.folder, self.out), "--quiet")
            if code == 0:
                break
            await self.command("retry", self.out)
        await self._verify()

    def landed(self) -> dict[str, float]:
        """When each result was first there."""
        if self.proxy:
            return self.proxy.stored
        out = Path(self.out)
        return {str(path.relative_to(out)): path.stat().st_mtime for path in out.glob("results/*/*.json")}


def run_arguments(setting: Setting, folder: Path, out: str) -> Sequence[str]:
    return (
        *("run", str(folder / "source"), "--out", out, "--model", "openai:scripted"),
        *("--lease", str(setting.lease), "--concurrency", "4"),
    )


@asynccontextmanager
async def opened(setting: Setting, place: str, folder: Path) -> AsyncGenerator[Storm]:
    """A storm over an OUT that is a `folder` or on `S3`, with all that it needs; nothing of it is left afterwards."""
    chance = random.Random(f"{setting.seed} {place} {setting.hosts}")
    async with AsyncExitStack() as stack:
        network = stack.enter_context(storm_hosts.network(setting.hosts)) if setting.hosts else None
        address = network.address if network else "127.0.0.1"
        model = StormModel(setting.latency, random.Random(chance.random()))
        model_url = await stack.enter_async_context(model.serving(address))
        proxy, s3 = None, None
        if place == "S3":
            proxy = Proxy(stack.enter_context(s3_server(5, 10)).url, setting.cuts, random.Random(chance.random()))
            s3 = Server(await stack.enter_async_context(proxy.serving(address)), os.getpid(), "")
        environ = environment(s3, Server(model_url, os.getpid(), "")) | {"OPENAI_API_KEY": "worker-of-the-clean-run"}
        out = "s3://storm/out" if proxy else str(folder / "out")
        (folder / "source").mkdir()
        reserve = sorted(write_invoices(folder / "reserve", setting.documents).iterdir())
        crew = stack.enter_context(Crew(folder, environ, [*run_arguments(setting, folder, out), "--quiet"]))
        yield Storm(setting, folder, out, environ, chance, crew, model, proxy, network, reserve)


async def weather(setting: Setting, place: str, folder: Path) -> Outcome:
    """One storm from its beginning to what is counted after it."""
    begun = time.monotonic()
    async with opened(setting, place, folder) as storm:
        await storm.rage()
        raged = time.monotonic() - begun
        storm.crew.reap()
        await storm.calm()
        store = open_store(storm.out, storm.environ)
        names = [name(number) for number in range(setting.documents)]
        counted: Count = await count(store, names, storm.model.calls, storm.crew.blows, storm.landed(), storm.crew.who)
        return Outcome(
            place, counted, storm.crew.made, storm.crew.errors, storm.audits, storm.clean_runs,
            storm.proxy.fates if storm.proxy else None, storm.proxy.requests if storm.proxy else 0,
            raged, time.monotonic() - begun,
        )  # fmt: skip


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.storm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Setting()
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="how long a storm lasts (default 60)")
    parser.add_argument("--seed", type=int, help="of what is done when (default: a random one, which is printed)")
    parser.add_argument("--documents", type=int, default=usual.documents, help="(default 200)")
    parser.add_argument("--workers", type=int, default=usual.workers, help="processes at once (default 4)")
    parser.add_argument("--lease", type=float, default=usual.lease, help="of the runs, in seconds (default 3)")
    parser.add_argument("--latency", type=float, default=usual.latency, help="of the model, in seconds (default 2)")
    parser.add_argument("--cuts", type=float, default=usual.cuts, help="share of the S3 requests cut (default 0.1)")
    parser.add_argument("--on", choices=["folder", "S3"], action="append", help="this kind of OUT only")
    parser.add_argument("--hosts", type=int, default=0, help="spread the processes over so many hosts; S3 only")
    parser.add_argument("--keep", type=Path, help="keep the folder of each storm below this one")
    return parser.parse_args(arguments)


async def _all(setting: Setting, places: Sequence[str], keep: Path | None) -> list[Outcome]:
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    outcomes: list[Outcome] = []
    for place in places:
        print(f"storm on {place}, seed {setting.seed}, {setting.seconds:.0f} s ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="counterfoil-storm-") as folder:
            try:
                outcomes.append(await weather(setting, place, Path(folder)))
            finally:
                if keep:
                    shutil.copytree(folder, keep / f"{place}-{setting.hosts}-{setting.seed}", dirs_exist_ok=True)
    return outcomes


def main() -> int:
    args = vars(_parsed(sys.argv[1:]))
    places, keep = args.pop("on") or ["folder", "S3"], args.pop("keep")
    if args["seed"] is None:
        args["seed"] = random.randrange(1_000_000)
    setting = Setting(**args)
    if setting.hosts:
        if problem := storm_hosts.problem():
            print(f"storm over {setting.hosts} hosts skipped: {problem}")
            return 0
        places = ["S3"]
    try:
        outcomes = asyncio.run(_all(setting, places, keep))
    except asyncio.CancelledError:
        return 130
    print(table(outcomes, f"seed {setting.seed}, {setting.seconds:.0f} s, lease {setting.lease:g} s"))
    return 1 if any(map(failed, outcomes)) else 0


if __name__ == "__main__":
    sys.exit(main())
