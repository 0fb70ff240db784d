"""Kills for want of memory: how many there were among the processes that share the memory of this one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_CONTROLLER = "memory"
_OF_THE_MACHINE = Path("/proc/vmstat")
_PREFIX = "oom_kill "  # of the line that tells, in every file that has one


def count() -> int:
    """Return how many processes the kernel has killed for want of memory; 0 where it does not tell.

    Counted are those of this process's control group, which is that of its Slurm job, whoever's memory ran out. Where the kernel
    tells of no group, those of the whole machine are: a job of somebody else's may then be among them.
    """
    for file in (*_of_the_group(), _OF_THE_MACHINE):
        with contextlib.suppress(OSError):
            lines = file.read_text().splitlines()
            told = [int(line.removeprefix(_PREFIX)) for line in lines if line.startswith(_PREFIX)]
            if told:
                return told[0]
    return 0


def _of_the_group() -> Iterator[Path]:
    """Yield where the kernel may tell of the memory of this process's control group (cgroups(7), version 1 and 2).

    In version 2, a group whose memory is not counted for itself is counted with the nearest around it that is.
    """
    with contextlib.suppress(OSError):
        groups = dict(_groups(Path("/proc/self/cgroup").read_text()))
        for version, root, mounted in _mounts(Path("/proc/self/mountinfo").read_text()):
            if version in groups:
                group = Path(os.path.normpath(mounted / os.path.relpath(groups[version], root)))
                if version == 1:
                    yield group / "memory.oom_control"
                else:
                    yield from (each / "memory.events" for each in (group, *group.parents) if each.is_relative_to(mounted))


def _groups(text: str) -> Iterator[tuple[int, str]]:
    """Yield the version and the path of each group that may count memory, from lines as ``4:memory:/job`` and ``0::/job``."""
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield 2, path
        elif _CONTROLLER in controllers.split(","):
            yield 1, path


def _mounts(text: str) -> Iterator[tuple[int, str, Path]]:
    """Yield the version of each hierarchy that may count memory, the group at its root, and where it is mounted."""
    for line in text.splitlines():
        place, _, what = line.partition(" - ")
        root, mounted = place.split()[3:5]
        kind, _, options = what.split(" ", 2)
        if kind == "cgroup" and _CONTROLLER in options.split(","):
            yield 1, root, Path(mounted)
        elif kind == "cgroup2":
            yield 2, root, Path(mounted)
