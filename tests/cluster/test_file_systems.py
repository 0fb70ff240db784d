"""Whether machines share a file system is told by its kind."""

from pathlib import Path

import pytest

from rlhpc import mounts
from rlhpc.cluster.file_systems import is_shared, is_shared_kind

MOUNTINFO = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 30 0:41 / /home rw,relatime shared:31 - nfs4 nas:/home rw,vers=4.2
33 27 0:43 / /homework rw - tmpfs tmpfs rw
"""


def test_a_folder_is_shared_where_its_mount_is(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "_MOUNTINFO", tmp_path / "mountinfo")
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    assert is_shared(Path("/home/ada/logs"))
    assert not is_shared(Path("/homework"))
    assert not is_shared(Path("/var/logs"))


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
