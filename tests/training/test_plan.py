import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.benchmarks import load_benchmarks
from rlhpc.records import Training
from rlhpc.training.algos import load_algos
from rlhpc.training.grid import GridConfig, expand
from rlhpc.training.plan import NodePlan, PackingConfig, describe, pack, pack_array, prior_hours


def make(seed, timesteps, **hyperparameters):
    return Training("b", "X-v0", "ppo", seed, "Discrete", timesteps, {"class": "PPO", **hyperparameters})


@st.composite
def grids(draw):
    """Draw trainings of different durations, many of them equal."""
    timesteps = draw(st.lists(st.sampled_from([1, 1_000, 100_000, 100_000, 1_000_000, 7_777_777]), max_size=40))
    return [make(seed, steps) for seed, steps in enumerate(timesteps)]


ONE_TO_4 = st.integers(1, 4)


@pytest.fixture(scope="module")
def default_grid():
    config = GridConfig(
        benchmarks=("atari100k", "dmc1m"),
        algos=("a2c", "ppo", "trpo", "recurrent_ppo", "ppo_converged"),
        seeds=(111, 222, 333, 444),
    )
    envs = load_benchmarks(config.benchmarks)
    return expand(config, envs, load_algos(config.algos), lambda env_id: "NoFrameskip" in env_id).trainings


def test_the_default_grid_fills_32_nodes_of_2_gpus_with_12_trainings_each(default_grid):
    nodes = pack(default_grid, n_gpus=2, trainings_per_gpu=12)
    assert len(nodes) == 32
    assert {(node.n_gpus, node.trainings_per_gpu) for node in nodes} == {(2, 12)}
    assert [len(node.trainings) for node in nodes] == [24] * 31 + [760 - 24 * 31]


def test_the_long_trainings_of_the_default_grid_share_nodes(default_grid):
    nodes = pack(default_grid, n_gpus=2, trainings_per_gpu=12)
    n_long = sum("convergence" in training.hyperparameters for training in default_grid)
    with_long = [node for node in nodes if any("convergence" in training.hyperparameters for training in node.trainings)]
    assert len(with_long) == math.ceil(n_long / 24) < 32


@given(grids(), ONE_TO_4, ONE_TO_4, st.none() | ONE_TO_4)
def test_no_training_is_lost_or_doubled(trainings, n_gpus, trainings_per_gpu, max_nodes):
    nodes = pack(trainings, n_gpus=n_gpus, trainings_per_gpu=trainings_per_gpu, max_nodes=max_nodes)
    assert sorted(training.seed for node in nodes for training in node.trainings) == list(range(len(trainings)))
    assert all(node.trainings for node in nodes)


@given(grids(), ONE_TO_4, ONE_TO_4, st.none() | ONE_TO_4)
def test_there_are_as_many_nodes_as_give_each_a_place_but_never_more_than_allowed(
    trainings, n_gpus, trainings_per_gpu, max_nodes
):
    nodes = pack(trainings, n_gpus=n_gpus, trainings_per_gpu=trainings_per_gpu, max_nodes=max_nodes)
    needed = math.ceil(len(trainings) / (n_gpus * trainings_per_gpu))
    assert len(nodes) == min(needed, max_nodes or needed)


@given(grids(), ONE_TO_4, ONE_TO_4, st.none() | ONE_TO_4)
def test_every_node_starts_its_longest_training_first_and_ties_keep_the_order(trainings, n_gpus, trainings_per_gpu, max_nodes):
    for node in pack(trainings, n_gpus=n_gpus, trainings_per_gpu=trainings_per_gpu, max_nodes=max_nodes):
        order = [(-prior_hours(training), training.seed) for training in node.trainings]
        assert order == sorted(order)


@given(grids(), ONE_TO_4, ONE_TO_4)
def test_with_a_place_for_each_no_node_mixes_longer_and_shorter_than_another(trainings, n_gpus, trainings_per_gpu):
    nodes = pack(trainings, n_gpus=n_gpus, trainings_per_gpu=trainings_per_gpu)
    flat = [prior_hours(training) for node in nodes for training in node.trainings]
    assert flat == sorted(flat, reverse=True)
    assert all(len(node.trainings) == n_gpus * trainings_per_gpu for node in nodes[:-1])


def loads(nodes):
    return [sum(prior_hours(training) for training in node.trainings) for node in nodes]


@given(grids(), st.integers(1, 3))
def test_with_fewer_nodes_no_node_has_more_work_than_another_and_its_last_training(trainings, max_nodes):
    """What always taking the node with the least work ensures."""
    nodes = pack(trainings, n_gpus=1, trainings_per_gpu=1, max_nodes=max_nodes)
    for node, load in zip(nodes, loads(nodes), strict=True):
        assert load <= min(loads(nodes)) + prior_hours(node.trainings[-1]) + 1e-9


@given(st.lists(st.integers(1, 9), min_size=4, max_size=7), st.integers(2, 3))
def test_with_fewer_nodes_the_longest_is_within_4_thirds_of_the_best_possible(millions, n_nodes):
    """Graham (1969): the longest processing time first ends within 4/3 - 1/(3 m) of the best of all m ** n divisions."""
    trainings = [make(seed, million * 1_000_000) for seed, million in enumerate(millions)]
    hours = [prior_hours(training) for training in trainings]
    best = min(
        max(sum(hour for hour, place in zip(hours, places, strict=True) if place == node) for node in range(n_nodes))
        for places in product(range(n_nodes), repeat=len(hours))
    )
    nodes = pack(trainings, n_gpus=1, trainings_per_gpu=1, max_nodes=n_nodes)
    assert max(loads(nodes)) <= (4 / 3 - 1 / (3 * n_nodes)) * best + 1e-9


@pytest.mark.parametrize(
    ("packing", "n_nodes", "per_gpu"), [(PackingConfig(), 2, 12), (PackingConfig(1, 4), 10, 4), (PackingConfig(2, 5, 3), 3, 5)]
)
def test_an_array_has_the_configured_places_on_each_gpu_else_12(packing, n_nodes, per_gpu):
    nodes = pack_array([make(seed, 1_000) for seed in range(40)], packing)
    assert len(nodes) == n_nodes
    assert {(node.n_gpus, node.trainings_per_gpu) for node in nodes} == {(packing.gpus_per_node, per_gpu)}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 2), st.integers(1, 4))
def test_no_plan_is_quicker_than_what_is_told_to_be_the_least(millions, n_gpus, per_gpu):
    told = describe(
        pack([make(seed, each * 1_000_000) for seed, each in enumerate(millions)], n_gpus=n_gpus, trainings_per_gpu=per_gpu)
    )
    assert told["least_wall_hours"].keys() == told["estimated_wall_hours"].keys()
    longest = max(millions) * prior_hours(make(0, 1_000_000))
    for n_nodes, wall in told["estimated_wall_hours"].items():
        least = sum(millions) * prior_hours(make(0, 1_000_000)) / (n_gpus * per_gpu * int(n_nodes))
        assert told["least_wall_hours"][n_nodes] == pytest.approx(max(least, longest))
        assert told["least_wall_hours"][n_nodes] <= wall + 1e-9


def test_nothing_to_do_needs_no_node():
    assert pack([], n_gpus=2, trainings_per_gpu=12) == pack([], n_gpus=2, trainings_per_gpu=12, max_nodes=3) == ()
    assert describe(()) == {
        "n_array_elements": 0,
        "gpus_per_node": 0,
        "trainings_per_gpu": 0,
        "estimated_hours": 0.0,
        "estimated_node_hours": 0,
        "estimated_gpu_hours": 0,
        "estimated_wall_hours": {},
        "least_wall_hours": {},
        "array_elements": [],
    }


@pytest.mark.parametrize(
    ("training", "hours"),
    [
        (make(1, 2_000_000), 2 * 0.78),
        (make(1, 0, **{"class": "Random", "n_trials": 10, "n_episodes": 100}), 0.1),
        (make(1, 0, **{"class": "Random", "n_trials": 2, "n_episodes": 3}), 0.0006),
        (make(1, 50_000_000, convergence={"evaluate_every": 1}), 10.6),
        (Training("b", "X", "ppo", 1, "Continuous", 50_000_000, {"class": "PPO", "convergence": {"evaluate_every": 1}}), 20.6),
        (Training("b", "X", "r", 1, "Continuous", 1_000_000, {"class": "RecurrentPPO"}), 11.5),
        (Training("b", "X", "r", 1, "MultiBinary", 1_000_000, {"class": "TD3"}), 2.0),
        (Training("b", "X", "r", 1, "Discrete", 1_000_000, {"class": "DQN"}), 0.78),
    ],
)
def test_durations_come_from_the_priors_and_an_unknown_kind_counts_as_ppo(training, hours):
    assert prior_hours(training) == pytest.approx(hours)


def makespan(hours, n_places):
    """Play a node minute by minute: each free place takes the next training."""
    minutes, waiting, running, clock = [round(hour * 60) for hour in hours], 0, [], 0
    while waiting < len(minutes) or running:
        running = [end for end in running if end > clock]
        while waiting < len(minutes) and len(running) < n_places:
            running.append(clock + minutes[waiting])
            waiting += 1
        clock += 1
    return max(clock - 1, 0) / 60


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 2), st.integers(1, 2))
def test_the_estimated_duration_of_a_node_is_that_of_refilling_its_places(lengths, n_gpus, trainings_per_gpu):
    # lengths in minutes: 0.78 hours are a million steps
    trainings = [make(seed, round(length / 60 / 0.78 * 1e6)) for seed, length in enumerate(sorted(lengths, reverse=True))]
    told = describe([NodePlan(tuple(trainings), n_gpus, trainings_per_gpu)])
    expected = makespan([length / 60 for length in sorted(lengths, reverse=True)], n_gpus * trainings_per_gpu)
    assert told["estimated_hours"] == pytest.approx(expected, abs=1e-4)
    assert told["estimated_gpu_hours"] == pytest.approx(expected * n_gpus, abs=1e-4)


def test_a_plan_is_described_by_names_and_numbers():
    nodes = pack([make(seed, 1_000_000) for seed in range(5)], n_gpus=2, trainings_per_gpu=2)
    told = describe(nodes)
    assert (told["n_array_elements"], told["gpus_per_node"], told["trainings_per_gpu"]) == (2, 2, 2)
    assert [element["n_trainings"] for element in told["array_elements"]] == [4, 1]
    assert [name for element in told["array_elements"] for name in element["trainings"]] == [f"b/X-v0/ppo/{i}" for i in range(5)]
    assert told["estimated_hours"] == pytest.approx(0.78)
    assert told["estimated_gpu_hours"] == pytest.approx(2 * 2 * 0.78)


def test_packing_that_is_out_of_range_is_told_at_once():
    assert list(PackingConfig().faults()) == list(PackingConfig(0, 1, 1).faults()) == []
    assert list(PackingConfig(-1, -1, 0).faults()) == [
        "packing.gpus_per_node = -1 must be at least 0.",
        "packing.trainings_per_gpu = -1 must be at least 1.",
        "packing.max_nodes = 0 must be at least 1.",
    ]
    assert list(PackingConfig(0, mps="on").faults()) == [
        "packing.mps = on shares GPUs, and packing.gpus_per_node = 0 asks for none. Give packing.mps=auto, or GPUs."
    ]
