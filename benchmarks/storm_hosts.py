"""Hosts with addresses of their own on one Linux machine: network namespaces on a bridge of their own.

Needs root and iproute2; `problem` says what is missing. Everything it makes bears the id of our process, goes when the
block ends, and if we were killed, when the next one begins. It touches no other interface and no packet filter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "cfs"


@dataclass(frozen=True, slots=True)
class Host:
    """`link` is its cable, as the bridge sees it."""

    name: str
    link: str

    def command(self, hostname: str, *arguments: str) -> Sequence[str]:
        """Runs a command there, under a host name and in a pid namespace of its own: like a container on that host,
        where nobody sees that the process of another has gone."""
        apart = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        named = ("sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"', hostname)
        return ("ip", "netns", "exec", self.name, *apart, *named, *arguments)

    def cut_off(self) -> None:
        """From now on every packet from and to this host vanishes without a word."""
        _run("bridge", "link", "set", "dev", self.link, "state", "0")

    def let_back(self) -> None:
        _run("bridge", "link", "set", "dev", self.link, "state", "3")


@dataclass(frozen=True, slots=True)
class Network:
    """`address` is where the hosts reach us."""

    address: str
    hosts: Sequence[Host]


def problem() -> str | None:
    """Why there can be no hosts here; None if there can."""
    missing = [tool for tool in ("ip", "bridge", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found; on Debian: apt-get install iproute2 util-linux"
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True
    )
    return None if tried.returncode == 0 else f"namespaces are not allowed here ({tried.stderr.strip()})"


@contextmanager
def network(count: int) -> Generator[Network]:
    """A bridge with an address of ours, and that many hosts on it."""
    _sweep()
    bridge, subnet = f"{_PREFIX}{os.getpid()}", f"10.231.{os.getpid() % 250}"
    hosts = [Host(f"{bridge}-{number}", f"{bridge}v{number}") for number in range(count)]
    try:
        _run("ip", "link", "add", bridge, "type", "bridge", "stp_state", "0")
        _run("ip", "address", "add", f"{subnet}.1/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        for number, host in enumerate(hosts):
            _plug_in(host, bridge, f"{subnet}.{10 + number}/24")
        yield Network(f"{subnet}.1", hosts)
    finally:
        for host in hosts:
            _remove("netns", host.name)
        _remove("link", bridge)


def _plug_in(host: Host, bridge: str, address: str) -> None:
    _run("ip", "netns", "add", host.name)
    _run("ip", "link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    _run("ip", "link", "set", host.link, "master", bridge, "up")
    _run("ip", "-n", host.name, "address", "add", address, "dev", "eth0")
    _run("ip", "-n", host.name, "link", "set", "eth0", "up")
    _run("ip", "-n", host.name, "link", "set", "lo", "up")


def _sweep() -> None:
    """Removes what storms left that were killed."""
    for kind, folder in (("netns", "/run/netns"), ("link", "/sys/class/net")):
        with suppress(OSError):
            for path in Path(folder).iterdir():
                owner = path.name.removeprefix(_PREFIX).partition("-")[0].partition("v")[0]
                if path.name.startswith(_PREFIX) and owner.isdecimal() and not Path(f"/proc/{owner}").exists():
                    _remove(kind, path.name)


def _remove(kind: str, name: str) -> None:
    subprocess.run(["ip", kind, "delete", name], capture_output=True, check=False)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
