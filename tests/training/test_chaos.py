"""A real launch under random faults comes to what it would have come to in peace; tests/benchmarks/chaos.py has more of them."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
N_FAULTS = 15  # each kind once that a few seconds suffice for
LONGEST_DELAY = 3.0  # seconds
SEEDS = [int(seed) for seed in os.environ.get("RLHPC_CHAOS_SEEDS", "5").split(",")]
ONE_ROUND = 6  # trainings


@pytest.fixture(scope="module")
def faults():
    spec = importlib.util.spec_from_file_location("faults", TESTS / "faults.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["faults"] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["faults"]


def test_the_sequence_of_faults_is_repeated_by_its_seed(faults):
    kinds = list(faults.KINDS)
    first, again, other = (faults.draw(seed, kinds) for seed in (1, 1, 2))
    drawn = [next(first) for _ in range(40)]
    assert drawn == [next(again) for _ in range(40)]
    assert drawn != [next(other) for _ in range(40)]
    assert {fault.kind for fault in drawn[: len(kinds)]} == set(kinds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_launch_under_random_faults_comes_to_what_it_comes_to_in_peace(faults, tmp_path, seed):
    config = faults.grid(n_envs=2, n_seeds=1)
    undisturbed = faults.in_peace(config, tmp_path)
    assert len(list(undisturbed.store.iterate())) == ONE_ROUND
    with faults.small_disk(tmp_path / "disk", megabytes=64) as is_mounted:
        # half a lease takes three minutes to expire; test_lease.py has it
        left_out = {faults.HALF_LEASE} | (set() if is_mounted else {faults.FULL_DISK})
        kinds = [kind for kind in faults.KINDS if kind not in left_out]
        n_faults = n_resumes = 0
        for launch, problems in faults.rounds(config, tmp_path, undisturbed, faults.draw(seed, kinds, LONGEST_DELAY), N_FAULTS):
            assert problems == []
            n_faults += launch.tally.injected.total()
            n_resumes += faults.n_resumes(launch.store)
        assert n_faults == N_FAULTS
        assert n_resumes > 0, "nothing was ever continued: whatever was killed began anew"
