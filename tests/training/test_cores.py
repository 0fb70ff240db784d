"""Cores: how those of a node are divided among its trainings."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.errors import InputError
from rlhpc.results.store import Store
from rlhpc.training import cores
from rlhpc.training.node import supervise
from rlhpc.training.places import places
from rlhpc.training.settings import TrainSettings

# Two sockets with 4 cores of 2 threads each, numbered as Linux does: 0-3 and 8-11 on the first, 4-7 and 12-15 on the second.
THREADS = 16
SIBLINGS = {thread: f"{thread % 8},{thread % 8 + 8}" for thread in range(THREADS)}
NODES = {0: "0-3,8-11", 1: "4-7,12-15"}
GPUS = {"0": ("00000000:17:00.0", 0), "1": ("00000000:CA:00.0", 1)}


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Make the files of a system, and a stand-in for nvidia-smi; return the folder."""
    for thread, siblings in SIBLINGS.items():
        write(tmp_path / f"devices/system/cpu/cpu{thread}/topology/thread_siblings_list", siblings)
    for node, threads in NODES.items():
        write(tmp_path / f"devices/system/node/node{node}/cpulist", threads)
    write(tmp_path / "devices/system/node/node2/cpulist", "")  # memory alone
    for address, node in GPUS.values():
        write(tmp_path / f"bus/pci/devices/{address[4:].lower()}/local_cpulist", NODES[node])
    asked = "\n".join(f"--id={gpu}) echo {address};;" for gpu, (address, _) in GPUS.items())
    write(tmp_path / "bin/nvidia-smi", f'#!/bin/sh\ncase "$1" in\n{asked}\nesac\n')
    (tmp_path / "bin/nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(THREADS)))
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def divided(system, gpus, affinity="divide"):
    """Divide, and spell the cores of each place."""
    return [cores.spell(share) for share in cores.divide(gpus, affinity, system)]


def test_each_training_gets_whole_physical_cores_that_lie_side_by_side(system):
    assert divided(system, [None] * 4) == ["0-1,8-9", "2-3,10-11", "4-5,12-13", "6-7,14-15"]
    assert divided(system, [None] * 8) == [SIBLINGS[thread] for thread in range(8)]


@pytest.mark.parametrize("n", [9, 12, 16, 17, 40])
def test_more_trainings_than_physical_cores_share_all(system, n):
    assert divided(system, [None] * n) == ["0-15"] * n


def test_trainings_get_the_cores_next_to_their_gpu(system):
    assert divided(system, ["0", "1", "0", "1"]) == ["0-1,8-9", "4-5,12-13", "2-3,10-11", "6-7,14-15"]


def test_more_trainings_than_cores_next_to_their_gpus_share_those(system):
    assert divided(system, ["0", "1"] * 12) == [NODES[0], NODES[1]] * 12


def test_cores_that_lie_next_to_no_gpu_of_ours_stay_free_if_each_training_has_one_next_to_its_gpu(system):
    assert divided(system, ["0"] * 4) == [SIBLINGS[thread] for thread in range(4)]


@pytest.mark.parametrize(
    ("gpus", "affinity", "expected"),
    [
        (["0"] * 5, "divide", ["0-1,8-9", "2,10", "3-4,11-12", "5,13", "6-7,14-15"]),
        (["1", "1"], "0-3", ["0-1", "2-3"]),  # none is ours
        (["0", "1"] * 2, "0-3,4", ["0", "1", "2-3", "4"]),  # one is ours, for two
        (["5", "5"], "divide", [NODES[0], NODES[1]]),  # nobody tells
        (["0", "5"], "divide", [NODES[0], NODES[1]]),  # of one nobody tells
    ],
)
def test_where_too_few_of_ours_lie_next_to_the_gpus_all_are_divided(system, gpus, affinity, expected):
    assert [cores.parse(share) for share in divided(system, gpus, affinity)] == [cores.parse(share) for share in expected]


def test_without_nvidia_smi_all_are_divided(system, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert divided(system, ["0", "0"]) == [NODES[0], NODES[1]]


def test_a_list_of_cores_is_divided_and_no_other(system):
    assert divided(system, [None] * 2, "1,9,3") == ["1,9", "3"]


def test_without_an_affinity_every_training_may_run_everywhere(system):
    assert cores.divide([None, "0"], "any", system) == [(), ()]


def test_a_system_that_does_not_tell_has_cores_of_one_thread(system, tmp_path):
    assert divided(tmp_path / "nothing", [None] * 2) == ["0-7", "8-15"]


@given(st.integers(1, 20), st.sets(st.integers(0, THREADS - 1), min_size=1))
def test_no_core_is_given_twice_or_forgotten_or_split_unless_all_are_shared(n, some):
    physical = sorted(tuple(sorted(group)) for group in {frozenset((core, (core + 8) % 16)) & some for core in some})
    shares = cores._shares(physical, n)
    if n <= len(physical):
        assert sorted(sum(shares, ())) == sorted(some)
        assert all(set(core) <= set(share) or not set(core) & set(share) for core in physical for share in shares)
        assert max(map(len, shares)) <= 2 * (len(physical) // n + 1)
    assert len(shares) == n
    assert all(shares)
    assert n <= len(physical) or shares == [tuple(sorted(some))] * n


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_spelled_list_is_read_as_it_was(some):
    assert cores.parse(cores.spell(frozenset(some))) == some


@pytest.mark.parametrize("affinity", ["", "all", "3-1", "1-", "-2", "0,,1", "0-99999999999", "1.5"])
def test_what_is_no_list_of_cores_is_told(affinity):
    assert f"packing.affinity = '{affinity}' must be any, divide or a list of cores such as 0-15,32-47" in cores.fault(affinity)


@pytest.mark.parametrize("affinity", ["any", "divide", "3", "0-3, 8"])
def test_what_is_an_affinity_has_no_fault(affinity):
    assert cores.fault(affinity) == ""


def test_cores_that_are_not_ours_are_refused_with_those_that_are(system):
    with pytest.raises(
        InputError, match=r"names cores that are not ours: 16-17. This process may run on 0-15 .* give some of these"
    ):
        cores.divide([None], "14-17", system)


def test_trainings_run_where_they_are_told(tmp_path, monkeypatch, make_training, listen):
    """By the kernel's word, as an environment of theirs reports it."""
    (tmp_path / "where.py").write_text(WHERE)
    monkeypatch.syspath_prepend(tmp_path)
    trainings = [make_training(env_id="where:Where-v0", seed=seed) for seed in (10, 20)]
    ours = sorted(os.sched_getaffinity(0))
    store = Store(tmp_path / "logs")
    supervise(trainings, places((), 2, cores.spell(frozenset(ours[:2]))), store, TrainSettings("test", "cpu"), listen())
    found = {(tmp_path / f"{seed}.cores").read_text() for seed in (10, 20)}
    assert found == {str([core]) for core in ours[:2]} if len(ours) > 1 else {str(ours)}


WHERE = """
import os
from pathlib import Path
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

class Where(CartPoleEnv):
    def reset(self, *, seed=None, options=None):
        if seed is not None and seed < 1_000:
            Path(__file__).with_name(f"{seed}.cores").write_text(str(sorted(os.sched_getaffinity(0))))
        return super().reset(seed=seed, options=options)

gymnasium.register("Where-v0", Where, max_episode_steps=20)
"""
