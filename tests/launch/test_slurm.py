"""What a launch would submit; that Slurm takes it is tested on a real one, in tests/slurm."""

from dataclasses import replace

import pytest

from rlhpc.cluster.site import Partition, Site
from rlhpc.errors import InputError
from rlhpc.launch import slurm
from rlhpc.launch.config import LaunchConfig
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training.estimate import prior_hours
from rlhpc.training.plan import PackingConfig

TRAININGS = [Training("b", "X-v0", "ppo", seed, "Discrete", 1_000_000, {"class": "PPO"}) for seed in range(100)]
CONFIG = LaunchConfig(envs=("X-v0",), algos=("ppo",), seeds=(1,))
SITE = Site({"MaxArraySize": "1001"}, (Partition("gpu", is_default=True, is_up=True, max_minutes=120, fields={}),), ())


SHORTER = "Shorter elements start earlier: give a slurm.timeout_min that suits them; what is not done then continues."


def plan(config=CONFIG, site=SITE):
    return slurm.plan(TRAININGS, config, prior_hours, site)


def test_without_a_site_the_plan_has_no_bounds():
    planned = plan(site=None)
    assert (len(planned.nodes), planned.needs.timeout_min) == (5, 24 * 60)
    assert planned.notes == (SHORTER,)


def test_an_element_asks_for_the_cores_and_memory_of_all_that_it_carries_out_at_once():
    needs = plan(replace(CONFIG, packing=PackingConfig(gpus_per_node=4, trainings_per_gpu=3))).needs
    assert (needs.gpus, needs.cpus, needs.memory_gb, needs.timeout_min) == (4, 12, 48.0, 120)


def test_without_gpus_an_element_is_a_group_of_cores():
    planned = plan(replace(CONFIG, packing=PackingConfig(gpus_per_node=0, trainings_per_gpu=10)))
    assert (len(planned.nodes), planned.needs.gpus, planned.needs.cpus) == (10, 0, 10)


@pytest.mark.parametrize(("limit", "n_there", "n_elements"), [(None, 0, 5), (50, 0, 5), (5, 0, 5), (5, 2, 3), (1, 0, 1)])
def test_a_bounded_queue_gets_fewer_elements_with_all_trainings_and_that_is_said(monkeypatch, limit, n_there, n_elements):
    monkeypatch.setattr(slurm, "max_submit_jobs", lambda _site, _account: limit)
    monkeypatch.setattr(slurm, "count_own_jobs", lambda: n_there)
    planned = plan()
    assert len(planned.nodes) == n_elements
    assert sum(len(node.trainings) for node in planned.nodes) == 100
    assert any("(MaxSubmitJobs)" in note for note in planned.notes) == (n_elements < 5)


def test_a_full_queue_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(slurm, "max_submit_jobs", lambda _site, _account: 7)
    monkeypatch.setattr(slurm, "count_own_jobs", lambda: 9)
    with pytest.raises(InputError, match=r"lets you have 7 jobs .* and 9 are there"):
        plan()


def test_what_is_asked_of_the_site_is_what_is_planned():
    config = replace(CONFIG, slurm=replace(CONFIG.slurm, partition="gpu", options={"gres": "gpu:a100:2", "mem-per-cpu": "4G"}))
    asked = slurm.request(plan(config), config, prior_hours)
    assert (asked.partition, asked.n_elements, asked.gpus_per_node, asked.gres) == ("gpu", 5, 2, "gpu:a100:2")
    assert asked.has_options == {"gres", "mem-per-cpu"}
    assert asked.longest_hours == pytest.approx(prior_hours(TRAININGS[0]))


def test_replay_buffers_that_do_not_fit_into_what_is_asked_for_are_refused_also_where_no_site_is_known():
    frames = {"class": "DQN", "frame_stack": 4, "buffer_size": 100_000}
    config = replace(CONFIG, packing=PackingConfig(gpus_per_node=1))
    planned = slurm.plan([replace(each, hyperparameters=frames) for each in TRAININGS], config, prior_hours, None)
    asked = slurm.request(planned, config, prior_hours)
    assert (asked.at_once, asked.memory_gb, round(asked.buffers_gb)) == (12, 48.0, 68)
    with pytest.raises(InputError, match=r"memory_gb_per_training=6\.2"):
        slurm.refuse(None, asked)
    slurm.refuse(None, replace(asked, memory_gb=12 * 6.2))
    slurm.refuse(None, replace(asked, has_options=frozenset({"mem"})))


def test_where_nothing_was_submitted_nothing_is_in_the_queue_and_slurm_is_not_asked(tmp_path):
    assert slurm.in_queue(Store(tmp_path), TRAININGS) == {}


def test_a_small_grid_asks_for_no_more_than_it_needs():
    planned = slurm.plan(TRAININGS[:3], CONFIG, prior_hours, SITE)
    (node,) = planned.nodes
    assert (node.n_gpus, planned.needs.gpus, planned.needs.cpus, planned.needs.memory_gb) == (2, 2, 3, 12.0)
    assert slurm.plan(TRAININGS[:1], CONFIG, prior_hours, SITE).needs.gpus == 1


def test_gpus_that_are_left_unused_are_told():
    planned = plan(replace(CONFIG, device="cpu"))
    assert any("packing.gpus_per_node=0 asks for none" in note for note in planned.notes)
