"""The file system of a folder is found, and whether machines share its kind."""

from pathlib import Path

import pytest

from rlhpc.cluster import mounts
from rlhpc.cluster.mounts import is_shared_kind, mount_of

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /home rw,relatime shared:30 - autofs systemd-1 rw,fd=30
31 30 0:41 / /home rw,relatime shared:31 - nfs4 nas:/home rw,vers=4.2
32 27 0:42 / /home/ada/my\040scratch rw master:1 propagate_from:2 - fuse.sshfs ada@far: rw
33 27 0:43 / /homework rw - tmpfs tmpfs rw
"""
STRANGE = b"34 27 0:44 / /media/M\xfcller\x0c\r\xe2\x80\xa8 rw - ext4  rw\n"  # bytes that are no UTF-8, no newlines, no source


@pytest.mark.parametrize(
    ("folder", "kind", "source"),
    [
        ("/", "ext4", "/dev/vda"),
        ("/var/logs", "ext4", "/dev/vda"),
        ("/home/ada/logs", "nfs4", "nas:/home"),  # of two on one folder the later lies on top
        ("/home/ada/my scratch/logs", "fuse.sshfs", "ada@far:"),
        ("/homework", "tmpfs", "tmpfs"),
    ],
)
def test_the_deepest_mount_counts(tmp_path, folder, kind, source):
    mount = mount_of(tmp_path / folder, MOUNTINFO)
    assert (mount.kind, mount.source) == (kind, source)


def test_mounts_of_others_may_have_any_name(tmp_path, monkeypatch):
    file = tmp_path / "mountinfo"
    file.write_bytes(MOUNTINFO.encode() + STRANGE)
    monkeypatch.setattr(mounts, "_MOUNTINFO", file)
    assert mounts.is_shared(Path("/home/ada/logs"))
    assert not mounts.is_shared(Path("/homework"))


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "fuse.glusterfs", "9p", "cifs"]
)
def test_kinds_that_machines_share(kind):
    assert is_shared_kind(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse", "fuseblk", "fuse.mergerfs", "", "new"]
)
def test_of_others_a_node_is_asked(kind):
    assert not is_shared_kind(kind)
