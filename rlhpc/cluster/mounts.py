"""Mounts: on what kind of file system a folder lies, and whether machines share it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")
# Kinds of file systems that several machines share, as the kernel names them; of all others a node is asked, since the disk of
# a login node may well be what it exports to the nodes by NFS.
_SHARED = {
    "9p", "afs", "auristorfs", "beegfs", "bgfs", "ceph", "cifs", "coda", "cvmfs", "gfs2", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "smb3", "smbfs", "virtiofs", "vboxsf", "wekafs",
}  # fmt: skip  # a name a line would be a page
_SHARED_FUSE = {
    "beegfs", "beegfs-ondemand", "ceph", "ceph-fuse", "curvefs", "gcsfuse", "glusterfs", "juicefs", "moosefs", "mfs", "nfs",
    "orangefs", "quobyte", "s3fs", "saunafs", "seaweedfs", "sshfs", "vast", "wekafs",
}  # fmt: skip  # a name a line would be a page
_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks in the paths of mountinfo, proc(5)


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Attributes
    ----------
    point : Path
    kind : str
        As the kernel names it: ``ext4``, ``nfs4``, ``fuse.sshfs``.
    source : str
        ``/dev/sda1``, ``server:/home``.
    """

    point: Path
    kind: str
    source: str


def is_shared(folder: Path) -> bool:
    """Tell whether a folder lies on a file system of a kind that machines share."""
    return is_shared_kind(mount_of(folder, read_mountinfo()).kind)


def is_shared_kind(kind: str) -> bool:
    """Tell whether file systems of a kind are shared by machines; False of unknown ones."""
    name, _, fuse = kind.partition(".")
    return kind in _SHARED or (name == "fuse" and fuse in _SHARED_FUSE)


def read_mountinfo() -> str:
    """Read what is mounted here; names in it, of mounts that are none of ours, may have any bytes but a newline."""
    return os.fsdecode(_MOUNTINFO.read_bytes())


def mount_of(folder: Path, mountinfo: str) -> Mount:
    """Return the file system that a folder lies on, or would lie on if it were made.

    Parameters
    ----------
    folder : Path
    mountinfo : str
        From `read_mountinfo`.
    """
    path, found = folder.resolve(), Mount(Path(), "", "")
    for line in mountinfo.split("\n"):
        mount, dash, rest = line.partition(" - ")
        if dash:
            kind, source, *_ = rest.split(" ")
            mounted = Mount(Path(_unescape(mount.split(" ")[4])), kind, _unescape(source))
            # of two on one folder, the later lies on top
            if path.is_relative_to(mounted.point) and len(mounted.point.parts) >= len(found.point.parts):
                found = mounted
    return found


def _unescape(path: str) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), path)
