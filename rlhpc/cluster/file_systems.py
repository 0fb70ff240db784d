"""File systems: whether machines share the one that a folder lies on."""

from __future__ import annotations

from pathlib import Path

from rlhpc.mounts import mount_of, mounts

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


def is_shared(folder: Path) -> bool:
    """Tell whether a folder lies on a file system of a kind that machines share."""
    return is_shared_kind(mount_of(folder, mounts()).kind)


def is_shared_kind(kind: str) -> bool:
    """Tell whether file systems of a kind are shared by machines; False of unknown ones."""
    name, _, fuse = kind.partition(".")
    return kind in _SHARED or (name == "fuse" and fuse in _SHARED_FUSE)
