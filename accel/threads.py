"""How many CPUs this process may really use: its affinity, and the quotas of its cgroup and of all those above it.

A container's quota bounds time, not CPUs: more threads than it pays for only wait for each other.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_V1, _V2 = "cgroup", "cgroup2"


@dataclass(frozen=True)
class _Mount:
    """Where the system shows cgroups: those below `root`, in the folder `point`."""

    point: PurePosixPath
    root: PurePosixPath
    kind: str


def available(root: Path = Path("/")) -> int:
    """The CPUs that this process may use, quotas rounded up, at least 1. `root` is where /proc and /sys are."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), quota(root))))


def quota(root: Path) -> float:
    """The CPUs' time that the process's cgroups grant it, in seconds a second; infinite where nothing bounds it."""
    groups = _groups(_text(root / "proc/self/cgroup"))
    return min(
        (
            _granted(root / folder.relative_to("/"), mount.kind)
            for mount in _mounts(_text(root / "proc/self/mountinfo"))
            for folder in _folders(mount, groups.get(mount.kind))
        ),
        default=math.inf,
    )


def _groups(text: str) -> dict[str, PurePosixPath]:
    """The process's cgroup for each kind that may bound CPUs, of lines such as `4:cpu,cpuacct:/a` and `0::/a`."""
    lines = (line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2)
    kinds = ((_V2 if not controllers else _V1, controllers, path) for _, controllers, path in lines)
    return {kind: PurePosixPath(path) for kind, controllers, path in kinds if kind == _V2 or _is_cpu(controllers)}


def _mounts(text: str) -> Iterator[_Mount]:
    """The mounts of those kinds, of lines such as `31 23 0:28 /root /point rw shared:9 - cgroup2 cgroup2 rw`."""
    for line in text.splitlines():
        place, _, system = line.partition(" - ")
        kind, _, options = system.partition(" ")
        if kind == _V2 or (kind == _V1 and _is_cpu(options.split(" ")[-1])):
            _, _, _, top, point, *_ = place.split(" ")
            yield _Mount(PurePosixPath(point), PurePosixPath(top), kind)


def _is_cpu(controllers: str) -> bool:
    return "cpu" in controllers.split(",")


def _folders(mount: _Mount, group: PurePosixPath | None) -> Iterator[PurePosixPath]:
    """The folder of a cgroup and those of the ones above it, as far up as the mount shows."""
    if group is None:
        return
    # A cgroup outside of what is mounted is a container's, whose own is all that it sees.
    below = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    folder = mount.point / below
    yield folder
    yield from (above for above in folder.parents if above.is_relative_to(mount.point))


def _granted(folder: Path, kind: str) -> float:
    """The quota over its period, of `cpu.max` ("150000 100000", "max 100000") or of version 1's two files."""
    if kind == _V2:
        quota_us, _, period_us = _text(folder / "cpu.max").strip().partition(" ")
    else:
        quota_us, period_us = (_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if not quota_us.isdigit() or not period_us.isdigit() or int(period_us) == 0:
        # "max", -1, or a cgroup without the file.
        return math.inf
    return int(quota_us) / int(period_us)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
