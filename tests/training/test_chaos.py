"""A real launch under random faults comes to what it would have come to in peace; tests/benchmarks/chaos.py has more of them."""

import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
N_FAULTS = 25
LONGEST_DELAY = 3.0  # seconds
SEED = 5
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
def test_a_launch_under_random_faults_comes_to_what_it_comes_to_in_peace(faults, tmp_path):
    config = faults.grid(n_envs=2, n_seeds=1)
    undisturbed = faults.Launch(config, tmp_path / "undisturbed", tmp_path / "undisturbed")
    undisturbed.run()
    assert len(list(undisturbed.store.iterate())) == ONE_ROUND
    with faults.small_disk(tmp_path / "disk", megabytes=64) as is_mounted:
        # half a lease takes three minutes to expire; test_lease.py has it
        left_out = {faults.HALF_LEASE} | (set() if is_mounted else {faults.FULL_DISK})
        launch = faults.Launch(config, tmp_path / "hit", tmp_path / "disk")
        kinds = [kind for kind in faults.KINDS if kind not in left_out]
        launch.run(faults.draw(SEED, kinds, LONGEST_DELAY), N_FAULTS)
        assert launch.tally.injected.total() > 0
        assert faults.verify(launch, undisturbed) == []
