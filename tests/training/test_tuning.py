from collections import Counter
from dataclasses import replace

import pytest

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Training
from rlhpc.training import tuning
from rlhpc.training.measurement import Sample
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tuning import Measured, Room, Scale, Tuner, choose, groups, knee, sweep

PPO = Training(
    "b", "CartPole-v1", "ppo", 111, "Discrete", 1_000, {"class": "PPO", "n_steps": 2048, "n_envs": 2, "batch_size": 32}
)
DQN = replace(PPO, algo="dqn", hyperparameters={"class": "DQN", "learning_starts": 50_000, "convergence": {"n_episodes": 1}})
RANDOM = replace(PPO, algo="random", hyperparameters={"class": "Random"})
SETTINGS = TrainSettings("tune", "cpu", tensorboard=False, mps="off")


def algos(trainings):
    return [training.algo for training in trainings]


# --- what stands for a grid --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "expected"), [((1, 1), 4), ((1, 3), 6), ((3, 1), 2), ((0.01, 1), 8)])
def test_each_kind_has_as_many_places_as_it_takes_of_the_grids_time(hours, expected):
    by_algo = {"dqn": hours[0], "ppo": hours[1]}
    chosen = choose([PPO, DQN, RANDOM], lambda training: by_algo[training.algo])
    assert (algos(chosen).count("ppo"), len(chosen)) == (expected, 8)


def test_what_stands_for_a_grid_is_endless_with_short_rollouts_and_without_evaluations():
    chosen = choose([PPO, DQN], lambda _: 1.0)
    assert {training.total_timesteps for training in chosen} == {10**9}
    by_algo = {training.algo: training.hyperparameters for training in chosen}
    assert by_algo["ppo"] == {"class": "PPO", "n_steps": 128, "n_envs": 2, "batch_size": 32}
    assert by_algo["dqn"] == {"class": "DQN", "learning_starts": 200}


def test_a_grid_that_learns_nothing_is_refused():
    with pytest.raises(InputError, match="nothing to measure"):
        choose([RANDOM], lambda _: 1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 12, 16, 31])
def test_the_groups_of_every_number_have_all_kinds_and_each_training_a_name_of_its_own(n):
    chosen = choose([replace(PPO, env_id=f"X{place}-v0") for place in range(5)], lambda _: 1.0)
    found = groups(chosen, n)
    assert {training.env_id for group in found for training in group} == {training.env_id for training in chosen}
    assert all(len({training.key for training in group}) == n for group in found)
    assert len({tuple(training.env_id for training in group) for group in found}) == len(found)


def test_groups_are_as_mixed_as_can_be_and_like_ones_are_measured_once():
    chosen = choose([PPO, DQN], lambda _: 1.0)
    assert list(map(algos, groups(chosen, 1))) == [["dqn"], ["ppo"]]
    assert list(map(algos, groups(chosen, 2))) == [["dqn", "ppo"]]
    assert [Counter(algos(group)) for group in groups(chosen, 12)] == [Counter(dqn=8, ppo=4)]
    assert len(groups(choose([PPO], lambda _: 1.0), 1)) == 1


# --- adding up ---------------------------------------------------------------------------------------------------------------


def seen(*rates):
    """Return what was seen of a group, by algorithm and rate."""
    return Sample(tuple(replace(PPO, algo=algo) for algo, _ in rates), tuple(rate for _, rate in rates), 1.0)


def test_where_all_are_slowed_alike_the_figure_falls_alike_whatever_was_seen_together():
    scale = Scale([replace(PPO, algo=algo) for algo in ("a", "b")])
    assert scale.steps_per_second([seen(("a", 1000)), seen(("b", 10))], 1) == pytest.approx(505)  # each half of the time
    assert scale.steps_per_second([seen(("a", 1000), ("b", 10))], 2) == pytest.approx(2 * 505)
    # a mix with more of the fast ones would have made more steps; at half the speed, four are as good as two
    assert scale.steps_per_second([seen(("a", 500), ("a", 500), ("a", 500), ("b", 5))], 4) == pytest.approx(2 * 505)


def test_one_kind_that_is_slowed_counts_as_much_as_it_takes_of_the_time():
    scale = Scale([replace(PPO, algo=algo) for algo in ("a", "b")])
    scale.steps_per_second([seen(("a", 1000), ("b", 10))], 2)
    # what took one hour of each takes one and two now
    assert scale.steps_per_second([seen(("a", 1000), ("b", 5))], 2) == pytest.approx(2 * 505 * 2 / 3)


def test_of_one_kind_the_figure_is_the_sum_of_all():
    scale = Scale([PPO] * 8)
    scale.steps_per_second([seen(("ppo", 7))], 1)
    assert scale.steps_per_second([seen(("ppo", 30), ("ppo", 20), ("ppo", 40))], 3) == pytest.approx(90)


def test_a_number_is_measured_in_all_its_groups_and_the_largest_memory_counts(monkeypatch):
    asked = []

    def measure(group, gpus, n, settings, seconds):
        asked.append((algos(group), gpus, n, settings.mps, seconds))
        return Sample(group, (10.0,) * len(group), 1.0 + len(asked), 0.5)

    monkeypatch.setattr(tuning, "measure", measure)
    tuner = Tuner([PPO, DQN, RANDOM], ("0",), SETTINGS, 30.0, lambda _: 1.0)
    assert tuner.measure(1, "on") == Measured(1, True, 10.0, 3.0, 0.5)
    assert tuner.measure(2, "off") == Measured(2, False, 20.0, 4.0, 0.5)
    assert asked == [
        (["dqn"], ("0",), 1, "on", 15.0),
        (["ppo"], ("0",), 1, "on", 15.0),
        (["dqn", "ppo"], ("0",), 2, "off", 30.0),
    ]
    assert tuner.seconds(1) == 2 * (15 + 10)


def test_each_of_several_gpus_has_so_many_and_short_measurements_stay_short(monkeypatch):
    asked = []
    monkeypatch.setattr(
        tuning, "measure", lambda group, *rest: asked.append((len(group), rest[-1])) or Sample(group, (1.0,) * len(group), 1.0)
    )
    tuner = Tuner([PPO, DQN], ("0", "1", "2"), SETTINGS, 4.0, lambda _: 1.0)
    assert tuner.measure(4, "off").steps_per_second == pytest.approx(12)
    Tuner([PPO, DQN], (), SETTINGS, 4.0, lambda _: 1.0).measure(1, "off")
    assert asked == [(12, 4.0), (1, 4.0), (1, 4.0)]


def test_memory_counts_replay_buffers_as_full(monkeypatch):
    monkeypatch.setattr(tuning, "measure", lambda group, *_: Sample(group, (1.0,) * len(group), 1.0))
    frames = replace(DQN, hyperparameters={"class": "DQN", "frame_stack": 4, "buffer_size": 1_000})
    full = 1_000 * 2 * 4 * 84 * 84 / 1e9
    assert Tuner([frames], (), SETTINGS, 4.0, lambda _: 1.0).measure(1, "off").memory_gb == pytest.approx(1.0 + full)


# --- what follows from it ----------------------------------------------------------------------------------------------------


def measured(n, rate, mode="off", gb=1.0):
    return Measured(n, mode == "on", rate, gb * n)


def test_every_number_is_measured_in_every_mode():
    found = list(sweep([1, 2], ["off", "on"], lambda n, mode: measured(n, n, mode), Room(10)))
    assert [(each.trainings_per_gpu, each.mps) for each in found] == [(1, False), (1, True), (2, False), (2, True)]


def test_a_number_that_would_not_fit_into_memory_is_refused_with_the_one_that_does():
    tried = []
    sweeping = sweep([1, 4, 8], ["off", "on"], lambda n, mode: tried.append((n, mode)) or measured(n, n, mode, gb=2.0), Room(11))
    with pytest.raises(RlhpcError, match=r"8 at once would take about 16\.0 GB, and 11\.0 are free: 5 fit"):
        list(sweeping)
    assert tried == [(1, "off"), (1, "on"), (4, "off"), (4, "on")]


def test_so_is_one_that_would_not_fit_into_the_memory_of_a_gpu_once_no_mode_is_left():
    tried, gpu_gb = [], {"off": 3.0, "on": 1.0}

    def measure_one(n, mode):
        tried.append((n, mode))
        return replace(measured(n, n), gpu_memory_gb=n * gpu_gb[mode])

    with pytest.raises(RlhpcError, match=r"12 at once would take about 12\.0 GB of a GPU, and 8\.0 are free: 8 fit"):
        list(sweep([2, 4, 8, 12], ["off", "on"], measure_one, Room(99, 8)))
    assert tried == [(2, "off"), (2, "on"), (4, "on"), (8, "on")]


def test_replay_buffers_do_not_grow_beyond_those_of_the_trainings_that_have_some():
    room = Room(40, buffers_gb=lambda n: 7.0 * min(n, 4))
    four = replace(measured(4, 4), memory_gb=28.0 + 2.0)
    assert room.fault(8, four) == ""  # 28 + 4
    assert room.fault(40, four) == "40 at once would take about 48.0 GB, and 40.0 are free: 24 fit."
    assert replace(room, host_gb=1.0).fault(8, four).endswith("1.0 are free: 0 fit.")


def test_where_no_memory_is_known_of_none_is_missing():
    assert len(list(sweep([1, 2], ["off"], lambda n, mode: measured(n, n, mode), Room(99)))) == 2


@pytest.mark.parametrize(
    ("rates", "n"),
    [({1: 100, 2: 190, 4: 200}, 2), ({1: 100, 2: 150, 4: 200}, 4), ({1: 100, 2: 100, 4: 90}, 1), ({4: 10}, 4)],
)
def test_the_knee_is_the_smallest_number_that_gives_nearly_the_most(rates, n):
    assert knee([measured(count, rate) for count, rate in rates.items()]).trainings_per_gpu == n


def test_of_two_modes_with_the_same_number_the_faster_is_the_knee():
    assert knee([measured(4, 97), measured(4, 100, "on"), measured(8, 100)]) == measured(4, 100, "on")
