"""Kills for want of memory: how many there were among the processes that share the memory of this one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rlhpc.mounts import mounts

_CONTROLLER = "memory"
_OF_THE_MACHINE = Path("/proc/vmstat")
_NAMES = {1: ("memory.oom_control",), 2: ("memory.events.local", "memory.events")}  # before Linux 5.2 the latter is local
_PREFIX = "oom_kill "  # of the line that tells, in every file that has one


def count() -> int:
    """Return how many processes the kernel has killed for want of memory; 0 where it does not tell.

    Counted are those of this process's control group: of its step or task, where Slurm controls memory. Where the nearest group
    that tells is shared, others' are among them; and those of the whole machine where none tells, as in most Apptainer images.
    """
    for file in (*of_the_group(), _OF_THE_MACHINE):
        with contextlib.suppress(OSError, ValueError):
            told = [int(line.removeprefix(_PREFIX)) for line in _lines(file) if line.startswith(_PREFIX)]
            if told:
                return told[0]
    return 0


def of_the_group() -> Iterator[Path]:
    """Yield where the kernel may tell of the memory of this process's control group (cgroups(7), version 1 and 2).

    In version 2, a group whose memory is not counted for itself is counted with the nearest around it that is. Kills in groups
    within it that are counted for themselves are not among its own.
    """
    with contextlib.suppress(OSError, ValueError):
        groups = dict(_groups(_lines(Path("/proc/self/cgroup"))))
        for version, root, mounted in _hierarchies():
            path = groups.get(version)
            if path is None or ".." in path.parts or not path.is_relative_to(root):
                continue  # it is not to be seen from here
            group = mounted / path.relative_to(root)
            around = [each for each in group.parents if version == 2 and each.is_relative_to(mounted)]
            yield from (each / name for each in (group, *around) for name in _NAMES[version])


def _groups(lines: list[str]) -> Iterator[tuple[int, PurePosixPath]]:
    """Yield the version and the path of each group that may count memory, from lines as ``4:memory:/job`` and ``0::/job``."""
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield 2, PurePosixPath(path)
        elif _CONTROLLER in controllers.split(","):
            yield 1, PurePosixPath(path)


def _hierarchies() -> Iterator[tuple[int, str, Path]]:
    """Yield the version of each hierarchy that may count memory, the group at its root, and where it is mounted."""
    for mount in mounts():
        if mount.kind == "cgroup2":
            yield 2, mount.root, mount.point
        elif mount.kind == "cgroup" and _CONTROLLER in mount.options.split(","):
            yield 1, mount.root, mount.point


def _lines(file: Path) -> list[str]:
    """Read what the kernel tells; names of groups in it that are none of ours may have any bytes but a newline."""
    return os.fsdecode(file.read_bytes()).rstrip("\n").split("\n")
