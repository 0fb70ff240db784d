import hashlib
import json
import os

import pytest

from rlhpc import container, mounts
from rlhpc.errors import InputError
from rlhpc.files import writable_folder

TOLD = {"version": "1.2", "source_sha256": "abc", "built_at": "2026-01-02T03:04:05Z"}


@pytest.fixture
def image(monkeypatch, tmp_path):
    """A file that we seem to run in."""
    path, about = tmp_path / "rlhpc.sif", tmp_path / "image.json"
    path.write_text("an image")
    about.write_text(json.dumps(TOLD))
    monkeypatch.setattr(container, "_IMAGE", about)
    monkeypatch.setenv("APPTAINER_CONTAINER", str(path))
    monkeypatch.setenv(container.ABOUT, "")
    return path


def test_on_the_host_there_is_no_image(monkeypatch):
    monkeypatch.delenv(container.ABOUT, raising=False)
    container.identify()
    assert container.describe() == {}
    assert container.ABOUT not in os.environ


def test_an_image_is_told_by_its_path_its_checksum_and_what_it_says_itself(image, monkeypatch):
    assert container.describe() == {"image": str(image), "sha256": "", **TOLD}
    monkeypatch.setenv(container.ABOUT, f"def {TOLD['built_at']}")
    assert container.describe() == {"image": str(image), "sha256": "def", **TOLD}


def test_an_image_in_the_place_of_the_one_that_was_submitted_does_not_take_its_checksum(image, monkeypatch):
    monkeypatch.setenv(container.ABOUT, "def 2025-01-01T00:00:00Z")
    assert container.describe()["sha256"] == ""


def test_an_image_that_nobody_has_looked_at_is_identified_once(image, monkeypatch):
    container.identify()
    sha256 = hashlib.sha256(b"an image").hexdigest()
    assert container.describe()["sha256"] == sha256
    image.unlink()
    container.identify()
    assert container.describe()["sha256"] == sha256


def test_a_folder_and_an_image_that_is_not_seen_from_inside_have_no_checksum(image, monkeypatch, tmp_path):
    for path in (tmp_path, tmp_path / "absent", ""):
        monkeypatch.setenv("APPTAINER_CONTAINER", str(path))
        container.identify()
        assert container.describe() == {"image": str(path), "sha256": "", **TOLD}


# --- what is gone with a container -----------------------------------------------------------------------------------------

SHUT_OFF = """\
96 66 {root} / / rw,nodev - overlay overlay ro,lowerdir=/var/lib/apptainer/mnt/session/rootfs,upperdir={upper}
130 96 {memory} /home/me /home/me rw,nosuid - tmpfs tmpfs rw,size=65536k
134 96 {memory} /etc/passwd /etc/passwd rw,nosuid - tmpfs tmpfs rw,size=65536k
139 99 254:7 /scratch /out rw,nosuid - ext4 /dev/vda rw
"""
STRANGE = b"95 66 0:9 / /media/M\xfcller\x0c rw - ext4  rw\n"  # bytes that are no UTF-8, and no source
IN_MEMORY, IN_A_FILE = "/session/tmpfs/upper", "/session/overlay-images/0/upper"


@pytest.mark.parametrize(
    ("root", "memory", "upper", "is_forgotten"),
    [
        ("0:1", "{here}", IN_A_FILE, True),  # a home of --containall
        ("{here}", "0:2", IN_MEMORY, True),  # --writable-tmpfs
        ("{here}", "0:2", IN_A_FILE, False),  # an --overlay that stays
        ("0:1", "0:2", IN_MEMORY, False),  # a folder that is bound
    ],
)
def test_a_folder_in_the_memory_of_a_container_is_told_and_refused(
    image, tmp_path, monkeypatch, root, memory, upper, is_forgotten
):
    device = tmp_path.stat().st_dev
    here = f"{os.major(device)}:{os.minor(device)}"
    mountinfo = tmp_path / "mountinfo"
    told = SHUT_OFF.format(root=root.format(here=here), memory=memory.format(here=here), upper=upper)
    mountinfo.write_bytes(STRANGE + told.encode())
    monkeypatch.setattr(mounts, "_MOUNTINFO", mountinfo)
    assert container.forgets(tmp_path) == is_forgotten
    if is_forgotten:
        with pytest.raises(InputError, match="lies in the memory of this container"):
            writable_folder(tmp_path)
    monkeypatch.setenv(container.MAY_FORGET, "1")
    assert writable_folder(tmp_path) == tmp_path


def test_on_the_host_nothing_is_gone_and_nothing_is_out_of_reach(tmp_path):
    assert not container.forgets(tmp_path)
    assert container.limits() == ""


def test_an_error_inside_an_image_is_told_with_what_is_not_to_be_had_there(image):
    assert "only those that are bound" in container.limits()
    assert f"Inside the image {image}: " in container.limits()
