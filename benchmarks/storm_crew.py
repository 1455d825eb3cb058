"""The `counterfoil run` processes of a storm, and what is done to them.

Every blow is remembered with its time, for it excuses the calls that were in flight. All processes end with the `with`,
and if we are killed, they are too. A signal goes to the process of the run alone; its readers must see to themselves.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .storm_hosts import Host

COUNTERFOIL = str(Path(sys.executable).with_name("counterfoil"))
# Before a command: the kernel kills it when we are gone, however that came about.
END_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
# All done, some documents failed, interrupted, and interrupted while Python itself was still starting.
_EXPECTED = {0, 1, 130, -signal.SIGINT}


@dataclass(slots=True)
class Blow:
    """Something done to a worker, from when to when (`time.time()`)."""

    worker: str
    kind: str
    began: float
    ended: float = math.inf


@dataclass(slots=True)
class Member:
    """One process. `told` counts the SIGINTs it got; `resume_at` is set while it is stopped."""

    name: str
    process: subprocess.Popen[bytes]
    errors: Path
    host: Host | None
    told: int = 0
    killed: bool = False
    resume_at: float | None = None
    blows: list[Blow] = field(default_factory=list[Blow])

    def signal(self, number: signal.Signals) -> None:
        """To the run itself, which on a host is the child of the process that made its namespaces."""
        if self.process.poll() is not None:
            return
        pid = self.process.pid
        if self.host is not None:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not children:
                return
            pid = int(children[0])
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


class Crew:
    """Starts members, hits them, and gathers those that have ended."""

    def __init__(self, folder: Path, environ: Mapping[str, str], command: Sequence[str]) -> None:
        self._folder, self._environ, self._command = folder, environ, command
        self.members: list[Member] = []
        self.blows: list[Blow] = []
        self.made: Counter[str] = Counter()
        self._pids: dict[int, str] = {}
        self.errors: list[str] = []
        """What runs said that ended in a way they must not."""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.signal(signal.SIGKILL)
        for member in self.members:
            member.process.kill()
            member.process.wait()

    def start(self, host: Host | None = None) -> Member:
        self.made["started"] += 1
        name = f"worker-{self.made['started']}"
        command = [COUNTERFOIL, *self._command]
        errors = self._folder / f"{name}.err"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [*END_WITH_US, *(host.command(name, *command) if host else command)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**self._environ, "OPENAI_API_KEY": name},
                start_new_session=True,  # Ctrl-C at our terminal is for us
            )
        member = Member(name, process, errors, host)
        self.members.append(member)
        self._pids[process.pid] = name
        return member

    def who(self, writer: str) -> str:
        """The member that the manifest calls HOST-PID-RANDOM; on hosts of our own each has the name of its member."""
        host, pid, _ = writer.rsplit("-", 2)
        return host if host in self._pids.values() else self._pids.get(int(pid), writer)

    def reap(self) -> None:
        """Takes out who has ended, and resumes who has been stopped for long enough."""
        for member in list(self.members):
            if member.resume_at is not None and time.time() >= member.resume_at:
                self._resume(member)
            code = member.process.poll()
            if code is None:
                continue
            self.members.remove(member)
            self.made["ended by themselves"] += not (member.killed or member.told)
            if not member.killed and code not in _EXPECTED:
                said = member.errors.read_text(encoding="utf-8", errors="replace")
                self.errors.append(f"{member.name}: exit code {code}: {said[-3000:].strip()}")

    def _hit(self, member: Member, kind: str) -> Blow:
        blow = Blow(member.name, kind, time.time())
        self.made[kind] += 1
        self.blows.append(blow)
        member.blows.append(blow)
        return blow

    def kill(self, member: Member) -> None:
        blow = self._hit(member, "kill -9")
        member.killed = True
        member.signal(signal.SIGKILL)
        member.process.kill()
        for open_blow in (*member.blows[:-1], blow):
            open_blow.ended = min(open_blow.ended, time.time())

    def stop(self, member: Member, seconds: float) -> None:
        self._hit(member, "SIGSTOP")
        member.signal(signal.SIGSTOP)
        member.resume_at = time.time() + seconds

    def _resume(self, member: Member) -> None:
        member.signal(signal.SIGCONT)
        member.resume_at = None
        member.blows[-1].ended = time.time()

    def interrupt(self, member: Member) -> None:
        """Told once, a run lets its calls in flight end, so nothing is excused by it; told again, it drops all."""
        blow = self._hit(member, "SIGINT again") if member.told else None
        self.made["SIGINT"] += blow is None
        member.told += 1
        member.signal(signal.SIGINT)
        if blow:
            blow.ended = time.time()

    def cut_off(self, host: Host) -> list[Blow]:
        """No packet comes to or from a host any more; all who work there are hit by that."""
        host.cut_off()
        self.made["hosts cut off"] += 1
        now = time.time()
        cut = [Blow(member.name, "cut off", now) for member in self.members if member.host == host]
        self.blows += cut
        return cut

    def let_back(self, host: Host, cut: Sequence[Blow]) -> None:
        """What was on its way when the host was cut off may be sent again as long after as the cut has lasted."""
        host.let_back()
        now = time.time()
        for blow in cut:
            blow.ended = now + (now - blow.began)
