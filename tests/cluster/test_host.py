"""Room, quotas and images are looked at where a launch is started."""

import os
from pathlib import Path

import pytest

from rlhpc.cluster import host
from rlhpc.cluster.finding import Severity
from rlhpc.cluster.host import Host, Room, parse_quota, read_host

# quota(1) of quota 4.06, with --no-wrap --raw-grace
QUOTA = """\
Disk quotas for user ada (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
nas:/home 9000000  10000000 12000000       0   95000  100000  120000       0
/dev/sda1 7000000*  5000000 0 1764000000   10  0  0       0
"""


def host_of(*rooms, apptainer="", forbids="", fault=""):
    return Host(Path("logs/mine"), rooms, apptainer, forbids, fault)


def found(made, request):
    return {finding.name: finding for finding in host.findings(made, request)}


def test_quotas_of_the_file_system_are_read():
    (room,) = parse_quota(QUOTA, "nas:/home")
    assert room == Room("your quota", pytest.approx(1.024), 5000)
    (over,) = parse_quota(QUOTA, "/dev/sda1")
    assert (over.gigabytes, over.n_files) == (0, None)
    assert list(parse_quota(QUOTA, "nas:/scratch")) == []
    assert list(parse_quota("", "nas:/home")) == []


@pytest.mark.parametrize(("left", "severity"), [(100.0, Severity.GOOD), (21.0, Severity.WARNING), (19.0, Severity.REFUSED)])
def test_space_is_held_against_what_will_be_written(request_of, left, severity):
    finding = found(host_of(Room("the file system", left, None)), request_of(gigabytes=20.0))["space"]
    assert finding.severity is severity
    assert "logs_dir=" in finding.remedy or severity is Severity.GOOD
    assert f"has room for {left:.0f} GB" in finding.what


def test_the_tightest_limit_counts(request_of):
    rooms = Room("the file system", 1e6, 1e9), Room("your quota", None, 5000)
    assert "your quota has room for 5,000 of them" in found(host_of(*rooms), request_of(n_files=10_000))["files"].what


def test_a_file_system_without_a_limit_of_files_says_nothing_of_them(request_of):
    assert "files" not in found(host_of(Room("the file system", 1e6, None)), request_of())


def test_apptainer_is_looked_for(request_of):
    assert found(host_of(), request_of())["apptainer"].severity is Severity.NOTE
    assert found(host_of(apptainer="/bin/apptainer"), request_of())["apptainer"].severity is Severity.GOOD
    assert "max_user" in found(host_of(apptainer="/bin/apptainer", forbids="max_user_namespaces"), request_of())["apptainer"].what


def test_this_host_is_read_without_making_the_folder(tmp_path):
    read = read_host(tmp_path / "logs" / "mine")
    free = os.statvfs(tmp_path)
    assert read.rooms[0].gigabytes == pytest.approx(free.f_bavail * free.f_frsize / 1e9, rel=0.1)
    assert read.fault == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_and_nothing_more_is_said_of_its_room(tmp_path, request_of):
    (tmp_path / "file").write_text("")
    for folder, words in ((tmp_path / "file" / "mine", "Not a directory"), (Path("/proc/nope"), "No such file or directory")):
        read = read_host(folder)
        assert read.fault == f"of '{folder.parent}' the system says: {words}"
        faults = found(read, request_of())
        assert faults["results_folder"].severity is Severity.REFUSED
        assert "logs_dir=" in faults["results_folder"].remedy
        assert "space" not in faults
