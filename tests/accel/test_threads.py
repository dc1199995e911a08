"""The CPUs that a process may use, by affinity and by the quotas of cgroups of both versions."""

import math
import os
from pathlib import Path

import pytest

from savor.accel.threads import available, quota

MOUNTS = {
    "v2": "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
    "v1": "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "docker": "32 31 0:29 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu",
    "hybrid": "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    "disk": "23 1 8:1 / / rw,relatime - ext4 /dev/vda rw",
}
QUOTAS = [
    pytest.param("v2", "0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5, id="version 2"),
    pytest.param("v2", "0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5, id="one above"),
    pytest.param(
        "v2", "0::/a/b", {"a/b/cpu.max": "200000 100000", "a/cpu.max": "400000 100000"}, 2, id="the least of several"
    ),
    pytest.param("v2", "0::/", {"cpu.max": "300000 50000"}, 6, id="a container's own name space"),
    pytest.param("v2", "0::/a", {"a/cpu.max": "max 100000"}, math.inf, id="no bound"),
    pytest.param("v2", "0::/a", {}, math.inf, id="no files"),
    pytest.param("v2", "0::/a", {"b/cpu.max": "1000 100000"}, math.inf, id="another's bound"),
    pytest.param("v2", "0::/a", {"a/cpu.max": "0 0"}, math.inf, id="no period"),
    pytest.param("v2", "", {"cpu.max": "1000 100000"}, math.inf, id="no cgroup"),
    pytest.param("disk", "0::/a", {"a/cpu.max": "1000 100000"}, math.inf, id="no mount"),
    pytest.param(
        "v1",
        "5:memory:/m\n4:cpu,cpuacct:/a",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"},
        2.5,
        id="version 1",
    ),
    pytest.param(
        "v1",
        "4:cpu,cpuacct:/a",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"},
        math.inf,
        id="version 1 without bound",
    ),
    pytest.param(
        "docker",
        "4:cpu:/docker/1f",
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
        1,
        id="version 1 in a container",
    ),
    pytest.param(
        "docker",
        "4:cpu:/elsewhere",
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
        1,
        id="a cgroup that is not mounted",
    ),
    pytest.param(
        "hybrid",
        "1:cpu:/a\n0::/b",
        {
            "cpu/a/cpu.cfs_quota_us": "70000",
            "cpu/a/cpu.cfs_period_us": "10000",
            "unified/b/cpu.max": "900000 100000",
        },
        7,
        id="both versions",
    ),
]


def host(root: Path, mounts: str, groups: str, files: dict[str, str]) -> Path:
    """A folder with /proc and /sys of a process."""
    for name, text in {
        "proc/self/mountinfo": f"{MOUNTS['disk']}\n{MOUNTS[mounts]}\n",
        "proc/self/cgroup": groups + "\n",
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("mounts", "groups", "files", "granted"), QUOTAS)
def test_quota(tmp_path: Path, mounts: str, groups: str, files: dict[str, str], granted: float) -> None:
    assert quota(host(tmp_path, mounts, groups, files)) == granted


@pytest.mark.parametrize(
    ("cpu_max", "cpus"),
    [
        pytest.param("150000 100000", 2, id="rounded up"),
        pytest.param("1000 100000", 1, id="at least one"),
        pytest.param("900000 100000", 4, id="the affinity where that is less"),
        pytest.param("max 100000", 4, id="the affinity without a quota"),
    ],
)
def test_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu_max: str, cpus: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    assert available(host(tmp_path, "v2", "0::/a", {"a/cpu.max": cpu_max})) == cpus


def test_no_proc(tmp_path: Path) -> None:
    assert available(tmp_path) == len(os.sched_getaffinity(0))


def test_this_process_has_some() -> None:
    assert 1 <= available() <= len(os.sched_getaffinity(0))
