"""How many cores a process may use, by what the kernel says of its control group, in the files of a kernel."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from counterfoil import cores
from counterfoil.cores import cpu_limit, usable_cores


def kernel(root: Path, cgroup: str, **files: str) -> tuple[Path, Path]:
    """What `/proc/self/cgroup` says, and files below `/sys/fs/cgroup` (`__` is a slash)."""
    (root / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "fs" / name.replace("__", "/").replace("--", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "cgroup", root / "fs"


def test_a_container_has_the_cpus_that_it_was_given(tmp_path: Path):
    """Kubernetes writes `limits.cpu: 1500m` so."""
    assert cpu_limit(*kernel(tmp_path, "0::/\n", **{"cpu--max": "150000 100000\n"})) == 1.5


def test_the_tightest_of_nested_groups_counts(tmp_path: Path):
    """A limit of a parent holds for all below it."""
    files = {"a__cpu--max": "200000 100000\n", "a__b__cpu--max": "max 100000\n", "cpu--max": "max 100000"}
    assert cpu_limit(*kernel(tmp_path, "0::/a/b\n", **files)) == 2.0


def test_the_older_control_groups_are_read_too(tmp_path: Path):
    """Their path is the host's, their files are the container's."""
    cgroup = "7:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n"
    files = {"cpu__cpu--cfs_quota_us": "50000\n", "cpu__cpu--cfs_period_us": "100000\n"}
    assert cpu_limit(*kernel(tmp_path, cgroup, **files)) == 0.5


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {}),
        ("0::/\n", {"cpu--max": "max 100000\n"}),
        ("0::/\n", {"cpu--max": "nonsense"}),
        ("4:cpu:/\n", {"cpu__cpu--cfs_quota_us": "-1\n", "cpu__cpu--cfs_period_us": "100000\n"}),
        ("what is this\n", {}),
    ],
)
def test_where_nothing_is_said_there_is_no_limit(tmp_path: Path, cgroup: str, files: dict[str, str]):
    """Outside of containers, and on kernels that say it in another way."""
    assert cpu_limit(*kernel(tmp_path, cgroup, **files)) == math.inf


@pytest.mark.parametrize(("limit", "usable"), [(0.2, 1), (1.5, 2), (math.inf, None)])
def test_the_limit_is_rounded_up_and_never_exceeds_the_machine(
    monkeypatch: pytest.MonkeyPatch, limit: float, usable: int | None
):
    """And is never nothing."""
    monkeypatch.setattr(cores, "cpu_limit", lambda: limit)
    machine = len(os.sched_getaffinity(0))
    assert usable_cores() == (machine if usable is None else min(usable, machine))
