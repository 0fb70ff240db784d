"""What is mounted is told as the kernel has it, whatever others have mounted; the deepest mount holds a folder."""

import os
from pathlib import Path

import pytest

from rlhpc import mounts
from rlhpc.mounts import Mount, mount_of

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /home rw,relatime shared:30 - autofs systemd-1 rw,fd=30
31 30 0:41 / /home rw,relatime shared:31 - nfs4 nas:/home rw,vers=4.2
32 27 0:42 / /home/ada/my\040scratch rw master:1 propagate_from:2 - fuse.sshfs ada@far: rw
33 27 0:43 / /homework rw - tmpfs tmpfs rw
"""
STRANGE = b"34 27 0:44 / /media/M\xfcller\x0c\r\xe2\x80\xa8 rw - ext4  rw\n"  # bytes that are no UTF-8, no newlines, no source


@pytest.fixture(autouse=True)
def mountinfo(tmp_path, monkeypatch):
    """A file that the kernel seems to tell by."""
    file = tmp_path / "mountinfo"
    file.write_bytes(STRANGE + MOUNTINFO.encode())
    monkeypatch.setattr(mounts, "_MOUNTINFO", file)
    return file


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
    mount = mount_of(tmp_path / folder, mounts.mounts())
    assert (mount.kind, mount.source) == (kind, source)


def test_all_that_is_told_of_a_mount_is_kept(mountinfo):
    mountinfo.write_text("35 27 8:1 /a\\134b /my\\040data rw,nosuid shared:3 master:1 - fuse.x- y\\040z rw,words=1 - 2\n")
    assert mounts.mounts() == [Mount("8:1", "/a\\b", Path("/my data"), "fuse.x-", "y z", "rw,words=1 - 2")]


def test_mounts_of_others_may_have_any_name():
    strange, *others = mounts.mounts()
    assert os.fsencode(strange.point) == b"/media/M\xfcller\x0c\r\xe2\x80\xa8"
    assert (strange.kind, strange.source, strange.options) == ("ext4", "", "rw")
    assert len(others) == 6


def test_where_nothing_is_told_of_mounts_a_folder_lies_on_one_without_a_name():
    assert mount_of(Path("/home"), []) == Mount("", "", Path(), "", "", "")


def test_the_kernel_itself_is_understood(monkeypatch):
    monkeypatch.undo()
    device = Path("/proc").stat().st_dev
    found = mount_of(Path("/proc/version"), mounts.mounts())
    assert (found.point, found.kind, found.device) == (Path("/proc"), "proc", f"{os.major(device)}:{os.minor(device)}")
