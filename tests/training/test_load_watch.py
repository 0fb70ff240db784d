"""The watch over a node: what it tells while it lasts, and that it disturbs nothing."""

import os
import platform
import subprocess
import sys
import time

import pytest

from rlhpc.results import node_load
from rlhpc.training import load_watch
from rlhpc.training.load_watch import gpu_loads, watch

TWO = "0, GPU-8f1c-a, 76, 1024, 2048\n1, GPU-77aa-b, 5, 0, 2048"
MIB = 2**20 / 1e9


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put a stand-in for nvidia-smi on PATH, which says what is given, or does it."""

    def make(script):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    return make


def told(root, seconds=120.0):
    """Return what is told of this node, as soon as it is."""
    deadline = time.monotonic() + seconds
    while not (found := node_load.read(root, since=0.0)):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    (load,) = found
    return load


def spin(cores):
    """Keep cores busy until killed."""
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in cores]


def test_gpus_are_told_by_the_names_that_the_supervisor_knows(smi):
    smi(f"echo '{TWO}'")
    assert gpu_loads(["GPU-77aa", "0", "5"]) == {
        "GPU-77aa": node_load.GpuLoad(5.0, 0.0, 2048 * MIB),
        "0": node_load.GpuLoad(76.0, 1024 * MIB, 2048 * MIB),
    }


@pytest.mark.parametrize("script", ["exit 6", "echo No devices were found", "echo '0, GPU-8f1c, [N/A], 1, 2'", "echo"])
def test_of_a_gpu_of_which_nothing_is_known_nothing_is_told(smi, script):
    smi(script)
    assert gpu_loads(["0"]) == {}


def test_without_a_gpu_or_nvidia_smi_none_is_told(smi, monkeypatch):
    smi(f"echo '{TWO}'")
    assert gpu_loads([]) == {}
    monkeypatch.setenv("PATH", "")
    assert gpu_loads(["0"]) == {}


def test_the_load_of_this_node_is_told_while_the_watch_lasts_and_not_longer(tmp_path, smi):
    smi(f"echo '{TWO}'")
    with watch(tmp_path, ["0"], poll_seconds=0.05):
        load = told(tmp_path)
        assert (load.host, load.job) == (platform.node(), os.environ.get("SLURM_JOB_ID", ""))
        assert load.n_cores == len(os.sched_getaffinity(0))
        assert 0.0 <= load.cores_busy_percent <= 100.0
        assert load.gpus == {"0": node_load.GpuLoad(76.0, round(1024 * MIB, 2), round(2048 * MIB, 2))}
    assert not (tmp_path / node_load.NODES).exists()


def test_cores_that_the_kernel_numbers_otherwise_count_as_the_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(load_watch.os, "sched_getaffinity", lambda _: {4096, 4097})
    with watch(tmp_path, (), poll_seconds=0.05):
        load = told(tmp_path)
    assert (load.n_cores, 0.0 <= load.cores_busy_percent <= 100.0) == (2, True)


def test_without_a_thread_nothing_is_told_and_nothing_fails(tmp_path, monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(load_watch.threading.Thread, "start", fail)
    with watch(tmp_path, ()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_cores_that_work_are_told_to_be_busy(tmp_path):
    busy = spin(os.sched_getaffinity(0))
    try:
        with watch(tmp_path, (), poll_seconds=2.0):
            assert told(tmp_path).cores_busy_percent > 70
    finally:
        for each in busy:
            each.kill()
            each.wait()


def test_how_busy_a_gpu_is_is_the_mean_of_the_looks_and_its_memory_that_of_the_last(tmp_path, smi):
    smi(f"""n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) > {tmp_path}/n
case $n in 0) echo '0, GPU-8, 90, 1000, 2048';; *) echo '0, GPU-8, 30, 500, 2048';; esac""")
    root = tmp_path / "grid"
    root.mkdir()
    with watch(root, ["0"], poll_seconds=1.0):
        seen = set()
        deadline = time.monotonic() + 120
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            seen |= {(load.gpus["0"].busy_percent, load.gpus["0"].memory_gb) for load in node_load.read(root, since=0.0)}
    assert seen == {(90.0, 1.05), (60.0, 0.52)}


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / node_load.NODES).write_text("in the way")
    with watch(tmp_path, (), poll_seconds=0.01):
        time.sleep(0.2)
    assert (tmp_path / node_load.NODES).read_text() == "in the way"


def test_an_nvidia_smi_that_hangs_holds_nothing_up(tmp_path, smi, monkeypatch):
    smi("exec sleep 60")
    with watch(tmp_path, ["0"], poll_seconds=0.01):
        time.sleep(0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 5  # rather than 10, after which nvidia-smi is given up
    monkeypatch.setattr(load_watch, "_SMI_SECONDS", 0.1)
    assert gpu_loads(["0"]) == {}


def test_what_killed_supervisors_left_a_day_ago_is_removed(tmp_path):
    old = node_load.path(tmp_path, "n9", "1_2", 0)
    node_load.write(old, node_load.NodeLoad("n9", "1_2", 4, 50.0))
    os.utime(old, (0, 0))
    with watch(tmp_path, (), poll_seconds=0.01):
        deadline = time.monotonic() + 120
        while old.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert not old.exists()
