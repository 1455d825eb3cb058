"""How many cores this process may use: those of the machine, and of these what its container is given of their time.

A container on a machine of 64 cores sees all of them; what it may use of their time only its control group says. It
reads a few files of the kernel, and promises at least one.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_cores() -> int:
    """Rounded up, for a limit of 1.5 CPUs keeps two readers busy most of the time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cpu_limit())))


def cpu_limit(proc: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """The CPUs that the control groups of this process allow, infinite where none sets a limit (cgroup v2, and v1)."""
    limits = [math.inf]
    with suppress(OSError, ValueError):
        for line in proc.read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                limits += [_unified(mount / folder) for folder in _with_parents(path)]
            elif "cpu" in controllers.split(","):
                # In a container the path is that of the host, and what is mounted is the container's own.
                limits += [_first(mount / "cpu" / folder) for folder in {*_with_parents(path), ""}]
    return min(limits)


def _with_parents(path: str) -> list[str]:
    inside = PurePosixPath(path.lstrip("/"))
    return [str(inside), *map(str, inside.parents)]


def _unified(group: Path) -> float:
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    return math.inf


def _first(group: Path) -> float:
    """A limit of the first version of control groups; -1 is none."""
    with suppress(OSError, ValueError):
        quota = int((group / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((group / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return quota / period if quota > 0 else math.inf
    return math.inf
