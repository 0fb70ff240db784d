"""A game that was loaded ahead goes on, to the bit, as one that is loaded when it is needed; which games are kept and taken."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from ale_py.env import AtariEnv

from rlhpc.benchmarks import load_benchmarks
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training import snapshot
from rlhpc.training.envs import load_ahead, make_vec
from rlhpc.training.lean import ahead
from rlhpc.training.node import supervise
from rlhpc.training.places import places
from rlhpc.training.process import GAMES_AHEAD, preload_of
from rlhpc.training.progress_bar import ProgressBar
from rlhpc.training.settings import TrainSettings

GAMES = [env.env_id for env in load_benchmarks(["atari100k"])]
PONG = "PongNoFrameskip-v4"
STACKED = {"frame_stack": 4}
A2C = {"class": "A2C", "policy": "CnnPolicy", "n_envs": 2, "n_steps": 8, "frame_stack": 4}

COUNTED_LOADS = """
import os
from ale_py.env import AtariEnv
load_game = AtariEnv.load_game
def load_and_tell(env):
    with open({path!r}, "a") as file:
        file.write(str(os.getpid()) + "\\n")
    load_game(env)
AtariEnv.load_game = load_and_tell
"""


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(ahead, "_emulators", {})


@pytest.fixture
def loads(monkeypatch):
    """Return the environments that load their game from now on."""
    found, load = [], AtariEnv.load_game
    monkeypatch.setattr(AtariEnv, "load_game", lambda env: (found.append(env), load(env)))
    return found


def states(vec):
    """Return the emulators' states, without their random generators, whose draws mean nothing where no action sticks."""
    return [env.ale.cloneState(include_rng=False).__getstate__() for env in vec.get_attr("unwrapped")]


def play(vec, n_steps, seed=0):
    """Act at random; return all that was seen and paid."""
    rng = np.random.default_rng(seed)
    steps = [vec.step(rng.integers(vec.action_space.n, size=vec.num_envs)) for _ in range(n_steps)]
    return [(seen.tobytes(), rewards.tobytes(), dones.tobytes()) for seen, rewards, dones, _ in steps]


def both(env_id, n_envs=2):
    """Make environments of a game that was loaded ahead, and of one that was not."""
    load_ahead({env_id: n_envs})
    return [make_vec(env_id, STACKED, n_envs=n_envs, seed=7, training=True) for _ in range(2)]


@pytest.mark.parametrize("env_id", GAMES)
def test_a_game_that_was_loaded_ahead_is_played_to_the_same_bits(env_id):
    taken, loaded = both(env_id)
    assert taken.reset().tobytes() == loaded.reset().tobytes()
    for _ in range(2):  # with a reset between
        assert play(taken, 150) == play(loaded, 150)
        assert states(taken) == states(loaded)
        assert taken.reset().tobytes() == loaded.reset().tobytes()


def test_so_is_one_that_is_saved_in_its_first_episode_and_goes_on(tmp_path, loads):
    taken, loaded = both("QbertNoFrameskip-v4")  # of which ale-py alone saves too little
    for vec in (taken, loaded):
        vec.reset()
    assert play(taken, 20) == play(loaded, 20)
    with (tmp_path / "saved").open("wb") as file:
        snapshot.dump(taken, file)
    with (tmp_path / "saved").open("rb") as file:
        again = snapshot.load(file)
    load_ahead({"QbertNoFrameskip-v4": 4})
    loads.clear()
    with (tmp_path / "saved").open("rb") as file:
        taken_again = snapshot.load(file)  # which takes twice as many: see Tape
    assert loads == []
    expected = play(loaded, 300, seed=1)
    assert play(again, 300, seed=1) == expected
    assert play(taken_again, 300, seed=1) == expected


def test_a_game_is_loaded_no_more_while_there_is_one_and_then_again(loads):
    load_ahead({PONG: 2})
    loads.clear()
    vec = make_vec(PONG, {}, n_envs=2, seed=3, training=True)
    vec.reset()
    assert loads == []
    make_vec(PONG, {}, n_envs=1, seed=3, training=True)
    assert len(loads) == 1


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "CartPole-v1"])
def test_what_sticks_to_its_actions_by_chance_or_is_no_game_is_not_kept(env_id):
    load_ahead({env_id: 1})
    assert ahead._emulators == {}


def test_what_is_made_otherwise_takes_none(loads):
    load_ahead({PONG: 1})
    loads.clear()
    make_vec("ALE/Pong-v5", {}, n_envs=1, seed=3, training=True)
    make_vec("BreakoutNoFrameskip-v4", {}, n_envs=1, seed=3, training=True)
    gymnasium.make(PONG)
    assert len(loads) == 3
    assert [len(each) for each in ahead._emulators.values()] == [1]


def training(seed, env_id=PONG, **others):
    return Training("mine", env_id, "a2c", seed, "Discrete", 48, A2C | others, {"n_episodes": 1})


def test_games_are_loaded_ahead_where_more_trainings_of_them_begin_than_there_are_cores():
    trainings = [training(seed, n_envs=seed) for seed in (1, 2, 3)] + [training(1, "BreakoutNoFrameskip-v4")] * 4
    assert preload_of(trainings, n_at_once=3, n_cores=2).games == {PONG: 3}
    assert preload_of(trainings, n_at_once=3, n_cores=3).games == {}
    assert preload_of(trainings, n_at_once=7, n_cores=2).games == {PONG: 3, "BreakoutNoFrameskip-v4": 2}
    assert preload_of([training(1, f"mine:{PONG}")] * 3, n_at_once=3, n_cores=2).games == {}


def test_a_server_loads_them_and_what_cannot_be_made_does_not_end_it():
    for games, n in (({"Nothing-v0": 1, PONG: 3}, 3), ({"Nothing-v0": 1}, 0)):
        code = "import rlhpc.training.preload; from rlhpc.training.lean import ahead; print(*map(len, ahead._emulators.values()))"
        environment = {**os.environ, GAMES_AHEAD: json.dumps(games)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(n)] * (n > 0)


def test_trainings_that_are_forked_from_it_come_to_the_same_policies_and_scores(tmp_path):
    """In a process of its own: a server that others have started has nothing ahead."""
    cores = sorted(os.sched_getaffinity(0))[:1]
    trainings = [training(seed) for seed in (1, 2, 3)]
    program = "\n".join(
        [
            "import os, sys; from pathlib import Path",
            "from rlhpc.results.store import Store; from rlhpc.training.node import supervise",
            "from rlhpc.training.places import places; from rlhpc.training.progress_bar import ProgressBar",
            "from rlhpc.training.settings import TrainSettings",
            "sys.path.insert(0, sys.argv[1]); from test_ahead import training",
            "from rlhpc.training import process; libraries_of = process.libraries_of",
            "process.libraries_of = lambda env_ids: ['counted_loads', *libraries_of(env_ids)]",
            f"os.sched_setaffinity(0, {cores})",
            "trainings = [training(seed) for seed in (1, 2, 3)]",
            "settings = TrainSettings('test', 'cpu', tensorboard=False)",
            "supervise(trainings, places((), 3), Store(Path(sys.argv[2])), settings, ProgressBar(3))",
            "assert 'RLHPC_GAMES_AHEAD' not in os.environ",
        ]
    )
    (tmp_path / "counted_loads.py").write_text(COUNTED_LOADS.format(path=str(tmp_path / "loads")))
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path / "ahead")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert "Stella" not in done.stdout + done.stderr
    pids = (tmp_path / "loads").read_text().split()
    assert sorted(Counter(pids).values()) == [1, 1, 1, 2]  # those of the evaluations; and by the server, one for each of n_envs
    settings = TrainSettings("test", "cpu", tensorboard=False)
    supervise(trainings, places((), 1), Store(tmp_path / "plain"), settings, ProgressBar(3))
    found = [[Store(tmp_path / name).read(each) for each in trainings] for name in ("ahead", "plain")]
    policies, scores = ([[getattr(each, what) for each in side] for side in found] for what in ("policy_sha256", "score"))
    assert policies[0] == policies[1]
    assert scores[0] == scores[1]
    assert Counter(policies[0]).most_common(1)[0][1] == 1  # each seed comes to its own
