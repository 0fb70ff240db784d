"""Kills for want of memory: those of the own control group, by all the ways in which kernels tell of them, and by a real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc.training import memory_kills

ROOT = Path(__file__).parents[2]
VERSION_1 = {
    "/proc/self/cgroup": "5:cpuset:/slurm/job_7\n4:memory,hugetlb:/slurm/uid_0/job_7\n1:name=systemd:/\n0::/\n",
    "/proc/self/mountinfo": (
        "23 1 0:20 / /proc rw,relatime - proc proc rw\n"
        "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,hugetlb,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 50\n",
    "/proc/vmstat": "pgfault 12\noom_kill 90\noom_kill_disable 0\n",
}
OWN_1 = {"/sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"}
VERSION_2 = {
    "/proc/self/cgroup": "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
    "/proc/self/mountinfo": "26 25 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    "/sys/fs/cgroup/system.slice/memory.events": "low 0\noom 60\noom_kill 60\noom_group_kill 0\n",
    "/proc/vmstat": "oom_kill 90\n",
}
JOB_2 = "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7"
EVENTS = "low 0\nhigh 0\nmax 9\noom 5\noom_kill {}\noom_group_kill 0\n"
STRANGE = "40 25 0:9 / /media/M\udcfcller\x0c\r\u2028 rw - ext4 /dev/sdb1 rw\n"  # bytes that are no UTF-8, and no newlines
CONTAINER = {
    "/proc/self/cgroup": "0::/box/a:b\n",
    "/proc/self/mountinfo": "26 25 0:23 /box/a:b /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "/sys/fs/cgroup/memory.events": EVENTS.format(4),
    "/proc/vmstat": "oom_kill 90\n",
}


@pytest.mark.parametrize(
    ("files", "n_kills"),
    [
        (VERSION_1 | OWN_1, 3),
        (VERSION_1, 90),  # the group around it does not count those within it
        (VERSION_1 | dict.fromkeys(OWN_1, "under_oom 0\n"), 90),  # Linux before 4.13
        (VERSION_2 | {f"{JOB_2}/step_0/user/task_0/memory.events": EVENTS.format(1)}, 1),
        (VERSION_2 | {f"{JOB_2}/memory.events": EVENTS.format(2)}, 2),
        (VERSION_2 | {f"{JOB_2}/memory.events": EVENTS.format(2), f"{JOB_2}/memory.events.local": EVENTS.format(1)}, 1),
        (CONTAINER, 4),
        (VERSION_1 | OWN_1 | {"/proc/self/mountinfo": STRANGE + VERSION_1["/proc/self/mountinfo"]}, 3),
        (VERSION_1 | OWN_1 | {"/proc/self/mountinfo": "1 2 3 /.. /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"}, 90),
        (CONTAINER | {"/proc/self/cgroup": "0::/../other\n"}, 90),  # a process from outside
        (CONTAINER | {"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": "26 25 0:23 / /sys/fs/cgroup ro - cgroup2 x rw"}, 4),
        ({"/proc/vmstat": "pgfault 12\noom_kill 5\noom_kill_disable 0\n"}, 5),
        ({"/proc/vmstat": "pgfault 12\n"}, 0),
        ({}, 0),
    ],
)
def test_kills_are_counted_where_the_kernel_tells_nearest_to_this_process(monkeypatch, files, n_kills):
    def read(path):
        if str(path) not in files:
            raise FileNotFoundError(path)
        return os.fsencode(files[str(path)])

    monkeypatch.setattr(Path, "read_bytes", read)
    assert memory_kills.count() == n_kills


COUNT = """
import os, subprocess, sys
from pathlib import Path
from rlhpc.training import memory_kills
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
at_first = memory_kills.count()
subprocess.run([sys.executable, "-c", "[bytearray(b'x') * (1 << 31)]"])
print(at_first, memory_kills.count())
"""


def test_a_real_kill_is_counted_within_its_group_and_by_nobody_else(memory_group):
    before = memory_kills.count()
    told = subprocess.run(
        [sys.executable, "-c", COUNT, memory_group], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert told == "0 1\n"
    assert memory_kills.count() == before
