"""Mounts: what is mounted here, as the kernel tells. Imports nothing of rlhpc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")
_LINE = re.compile(r"[^ ]+ [^ ]+ ([^ ]+) ([^ ]+) ([^ ]+) .*? - ([^ ]*) ([^ ]*) (.*)")  # proc(5)
_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks in names


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Attributes
    ----------
    device : str
        Its number, ``8:1``; on some file systems, such as btrfs, ``stat`` has another.
    root : str
        The folder of the file system that is mounted, mostly ``/``.
    point : Path
        Where.
    kind : str
        As the kernel names it: ``ext4``, ``nfs4``, ``fuse.sshfs``.
    source : str
        ``/dev/sda1``, ``server:/home``.
    options : str
        Of the file system, as the kernel tells them: ``rw,vers=4.2``.
    """

    device: str
    root: str
    point: Path
    kind: str
    source: str
    options: str


def mounts() -> list[Mount]:
    """Return what is mounted here; of two on one folder, the later lies on top.

    Names of mounts that are none of ours may have any bytes but a newline.

    Raises
    ------
    OSError
        If the kernel does not tell.
    """
    found = []
    for line in os.fsdecode(_MOUNTINFO.read_bytes()).split("\n"):
        if told := _LINE.fullmatch(line):
            device, root, point, kind, source, options = told.groups()
            found.append(Mount(device, _unescape(root), Path(_unescape(point)), kind, _unescape(source), options))
    return found


def mount_of(folder: Path, mounted: Iterable[Mount]) -> Mount:
    """Return the file system that a folder lies on, or would lie on if it were made; one without names if none is told.

    Parameters
    ----------
    folder : Path
    mounted : iterable of Mount
        From `mounts`.
    """
    path, found = folder.resolve(), Mount("", "", Path(), "", "", "")
    for mount in mounted:
        if path.is_relative_to(mount.point) and len(mount.point.parts) >= len(found.point.parts):
            found = mount
    return found


def _unescape(name: str) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), name)
