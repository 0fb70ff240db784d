"""Snapshots: what is loaded goes on to the same bits; also in a process that has never seen the original."""

import copy
import io
import random
import subprocess
import sys
import threading
import tracemalloc
from functools import cache
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.torch_layers import NatureCNN
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhpc.benchmarks import load_benchmarks
from rlhpc.training import snapshot
from rlhpc.training.curves import Curves, EpisodeRecorder, convergence
from rlhpc.training.envs import make_vec
from rlhpc.training.snapshot import UnsavableError, dump, load

TASKS, ATARI_100K = ([env.env_id for env in load_benchmarks([name])] for name in ("dmc1m", "atari100k"))
REACHER, FINGER = "dm_control/reacher-hard-v0", "dm_control/finger-spin-v0"
STICKY = "ALE/Breakout-v5"  # repeats an action with a probability of a quarter
# Environment -> hyperparameters, parallel environments, steps before the snapshot and after it.
STACKED = {"frame_stack": 4}
GAMES = {
    "MsPacmanNoFrameskip-v4": (STACKED, 2, 250, 500),
    "BreakoutNoFrameskip-v4": (STACKED, 1, 250, 500),
    "QbertNoFrameskip-v4": ({}, 1, 250, 500),  # goes on differently from what ale-py saves of it
    STICKY: (STACKED, 1, 250, 500),
}
OTHERS = {
    "CartPole-v1": ({"normalize": True}, 2, 100, 200),
    "Pendulum-v1": ({}, 2, 300, 500),
    "HalfCheetah-v5": ({"normalize": True, "gamma": 0.9}, 1, 1_100, 2_000),  # MuJoCo's own; calls itself EzPickle
}
CASES = {**{task: ({}, 1, 1_100, 2_000) for task in TASKS}, **GAMES, **OTHERS}
IN_A_FRESH_PROCESS = (REACHER, FINGER, "QbertNoFrameskip-v4", STICKY, "CartPole-v1", "HalfCheetah-v5")
WALL_CLOCK = "t"  # of the Monitor, in an episode's info


def dumped(state):
    stream = io.BytesIO()
    dump(state, stream)
    return stream.getvalue()


def copied(state):
    return load(io.BytesIO(dumped(state)))


def read(path):
    with path.open("rb") as stream:
        return load(stream)


def size(state):
    """Return the bytes that a state takes, random generators apart."""
    return len(dumped(state)) - len(dumped(None))


def make(env_id):
    hyperparameters, n_envs, *_ = CASES[env_id]
    return make_vec(env_id, hyperparameters, n_envs=n_envs, seed=3, training=True)


def play(vec, n_steps, seed):
    """Act at random; return all that an agent sees."""
    space = copy.deepcopy(vec.action_space)
    space.seed(seed)
    seen = []
    for _ in range(n_steps):
        observations, rewards, dones, infos = vec.step(np.array([space.sample() for _ in range(vec.num_envs)]))
        seen.append((observations, rewards, dones, [_without_wall_clock(info) for info in infos]))
    return seen


def _without_wall_clock(info):
    if "episode" not in info:
        return info
    return {**info, "episode": {name: value for name, value in info["episode"].items() if name != WALL_CLOCK}}


def difference(first, second, where=""):
    """Name the first difference, to the bit; blank if there is none."""
    if type(first) is not type(second):
        return f"{where}: {type(first)}, {type(second)}"
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return f"{where}: {first.keys()}, {second.keys()}"
        return next(filter(None, (difference(first[key], second[key], f"{where}.{key}") for key in first)), "")
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=True)
        return next(filter(None, (difference(*pair, f"{where}[{place}]") for place, pair in enumerate(pairs))), "")
    if isinstance(first, torch.Tensor):
        first, second = first.numpy(), second.numpy()
    if isinstance(first, np.ndarray):
        same = (first.dtype, first.shape, first.strides) == (second.dtype, second.shape, second.strides)
        return "" if same and first.tobytes() == second.tobytes() else f"{where}: {first}, {second}"
    return "" if first is second or first == second else f"{where}: {first}, {second}"


def n_ends(seen):
    return sum(int(dones.sum()) for _, _, dones, _ in seen)


def n_games(seen):
    """Count the episodes that the Monitor saw end: whole games, not lives."""
    return sum("episode" in info for *_, infos in seen for info in infos)


# --- environments -----------------------------------------------------------------------------------------------------


@cache
def played(env_id):
    """Play, take a snapshot in the middle, and play on; return the snapshot and what came before and after it."""
    *_, n_before, n_after = CASES[env_id]
    vec = make(env_id)
    vec.reset()
    before = play(vec, n_before, seed=1)
    content = dumped(vec)
    return content, before, play(vec, n_after, seed=2)


@pytest.mark.parametrize("env_id", CASES)
def test_an_environment_goes_on_from_its_snapshot_to_the_bit_across_resets(env_id):
    content, before, after = played(env_id)
    assert n_ends(before) >= 1
    assert n_ends(after) >= 2
    assert n_games(before + after) >= 2
    again = play(load(io.BytesIO(content)), len(after), seed=2)
    assert difference(after, again) == ""


@pytest.mark.parametrize("env_id", ATARI_100K)
def test_every_game_of_atari_100k_goes_on_from_its_snapshot(env_id):
    vec = make_vec(env_id, {}, n_envs=1, seed=2, training=True)
    vec.reset()
    play(vec, 40, seed=1)
    again = copied(vec)
    assert difference(play(vec, 40, seed=2), play(again, 40, seed=2)) == ""


def test_a_game_that_a_user_has_wrapped_goes_on():
    vec = DummyVecEnv([lambda: gymnasium.make(STICKY)])
    vec.seed(1)
    vec.reset()
    play(vec, 100, seed=1)
    again = copied(vec)
    assert difference(play(vec, 200, seed=2), play(again, 200, seed=2)) == ""


@pytest.fixture(scope="module")
def in_a_fresh_process(tmp_path_factory):
    """Load snapshots in another process, and return what is seen there."""
    folder = tmp_path_factory.mktemp("snapshots")
    for place, env_id in enumerate(IN_A_FRESH_PROCESS):
        content, _, after = played(env_id)
        (folder / f"{place}.snapshot").write_bytes(content)
        (folder / f"{place}.n_steps").write_text(str(len(after)))
    subprocess.run([sys.executable, __file__, folder], check=True)
    return {env_id: read(folder / f"{place}.seen") for place, env_id in enumerate(IN_A_FRESH_PROCESS)}


def play_on(folder):
    """Be the other process."""
    for place in range(len(IN_A_FRESH_PROCESS)):
        vec = read(folder / f"{place}.snapshot")
        seen = play(vec, int((folder / f"{place}.n_steps").read_text()), seed=2)
        (folder / f"{place}.seen").write_bytes(dumped(seen))


@pytest.mark.parametrize("env_id", IN_A_FRESH_PROCESS)
def test_a_fresh_process_goes_on_to_the_same_bits(in_a_fresh_process, env_id):
    _, _, after = played(env_id)
    assert difference(after, in_a_fresh_process[env_id]) == ""


@pytest.mark.parametrize("env_id", [REACHER, "MsPacmanNoFrameskip-v4", "CartPole-v1", "HalfCheetah-v5"])
def test_taking_a_snapshot_changes_nothing(env_id):
    _, before, after = played(env_id)
    vec = make(env_id)
    vec.reset()
    play(vec, len(before), seed=1)
    for _ in range(3):
        dumped(vec)
    assert difference(after[:100], play(vec, 100, seed=2)) == ""


def model_arrays(vec):
    model = vec.envs[0].unwrapped._env.physics.model.ptr
    arrays = {name: getattr(model, name) for name in dir(model) if not name.startswith("_") and name != "tex_data"}
    return {name: value.copy() for name, value in arrays.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(("env_id", "written"), [(REACHER, {"geom_pos", "geom_size"}), (FINGER, {"dof_damping", "site_rgba"})])
def test_what_a_task_writes_into_the_model_is_restored(env_id, written):
    fresh = model_arrays(make(env_id))
    vec = make(env_id)
    vec.reset()
    changed = model_arrays(vec)
    assert written <= {name for name, value in changed.items() if difference(value, fresh[name])}
    assert difference(changed, model_arrays(copied(vec))) == ""


def test_options_of_the_simulation_are_restored():
    vec = make(REACHER)
    vec.reset()
    option = vec.envs[0].unwrapped._env.physics.model.ptr.opt
    option.timestep, option.gravity[2] = 0.003, -1.0
    restored = copied(vec).envs[0].unwrapped._env.physics.model.ptr.opt
    assert (restored.timestep, restored.gravity[2]) == (0.003, -1.0)


def test_a_snapshot_of_a_control_task_is_small():
    """Without the textures, which are 11.8 of its 11.9 MB."""
    assert size(make(REACHER)) < 100_000


def test_wrappers_are_as_usable_as_before():
    vec = make("CartPole-v1")
    vec.reset()
    play(vec, 50, seed=1)
    again = copied(vec)
    assert again.obs_rms.mean.tolist() == vec.obs_rms.mean.tolist()
    assert again.envs[0].unwrapped.state.tolist() == vec.envs[0].unwrapped.state.tolist()  # through the wrapper
    assert again.get_attr("spec") == vec.get_attr("spec")
    assert again.class_attributes.keys() == vec.class_attributes.keys()
    assert again.venv.envs is again.envs


class Picky(gymnasium.Env):
    """An environment of a user's that pickle does not take."""

    observation_space, action_space = Box(0, 1, (1,), np.float32), Discrete(2)

    def __init__(self, held):
        self.held = held

    def reset(self, **how):
        return np.zeros(1, np.float32), {}


@pytest.mark.parametrize(
    ("held", "kind"), [(threading.Lock(), "TypeError: cannot pickle '_thread.lock'"), ((n for n in ()), "generator")]
)
def test_a_state_that_cannot_be_pickled_is_told_with_the_reason(held, kind):
    vec = DummyVecEnv([lambda: Picky(held)])
    with pytest.raises(UnsavableError, match=kind):
        dumped(vec)


def test_lambdas_and_classes_of_functions_are_saved():
    class Local:
        pass

    local = Local()
    local.schedule = lambda left: 2 * left
    assert copied(local).schedule(3) == 6


def test_an_error_of_the_disk_is_no_fault_of_the_state():
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        dump([1], Full())


# --- arrays and tensors -----------------------------------------------------------------------------------------------

images = np.random.default_rng(1).integers(0, 256, (8, 84, 84, 4), dtype=np.uint8)
LAYOUTS = {
    "plain": images,
    "channels first of 4": images.transpose(0, 3, 1, 2),
    "channels first of 1": np.ascontiguousarray(images[..., :1]).transpose(0, 3, 1, 2),
    "channels first of 1, one environment": np.ascontiguousarray(images[:1, ..., :1]).transpose(0, 3, 1, 2),
    "Fortran's": np.asfortranarray(images),
    "a matrix, transposed": images[0, :, :, 0].astype(np.float32).T.copy(order="K"),
    "no axis": np.array(3.5),
    "no element": np.zeros((0, 3)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_lies_in_memory_as_before(layout):
    array = LAYOUTS[layout]
    assert difference(array, copied(array)) == ""
    assert copied(array).flags.writeable


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tensor_lies_in_memory_as_before(layout):
    tensor = torch.from_numpy(LAYOUTS[layout])
    again = copied(tensor)
    assert difference(tensor, again) == ""
    assert again.stride() == tensor.stride()
    assert again.data_ptr() % 64 == torch.empty(1000).data_ptr() % 64 == 0  # where torch puts tensors


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name.startswith("channels")])
def test_a_network_computes_the_same_of_restored_images(layout):
    """torch takes another way through a convolution where the strides are others, and rounds otherwise."""
    array = LAYOUTS[layout]
    torch.manual_seed(1)
    network = NatureCNN(Box(0, 255, array.shape[1:], np.uint8), features_dim=16)
    first, second = (network(torch.as_tensor(images) / 255) for images in (array, copied(array)))
    assert torch.equal(first, second)


@pytest.mark.parametrize("array", [images[::2], images[::-1], np.broadcast_to(images[0], (3, 84, 84, 4))])
def test_an_array_with_gaps_keeps_its_values(array):
    assert np.array_equal(copied(array), array)


def test_arrays_of_objects_keep_their_values():
    array = np.array([[{"a": 1}, None], ["b", 2.5]], dtype=object).T
    assert copied(array).tolist() == array.tolist()


def test_what_was_one_object_is_one_object():
    array, tensor = LAYOUTS["channels first of 4"], torch.ones(3, requires_grad=True)
    again = copied([array, array, tensor, tensor])
    assert again[0] is again[1]
    assert again[2] is again[3]


def test_tensors_keep_what_kind_they_are():
    parameter, frozen = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False)
    leaf = torch.ones(2, requires_grad=True)
    again = copied([parameter, frozen, leaf, 2 * leaf])
    assert [type(tensor) for tensor in again] == [torch.nn.Parameter, torch.nn.Parameter, torch.Tensor, torch.Tensor]
    assert [tensor.requires_grad for tensor in again] == [True, False, True, False]  # no graph: it ends with the rollout
    assert again[3].tolist() == [2.0, 2.0]


def test_an_optimizer_goes_on_with_the_parameters_of_its_network():
    def step(network, optimizer):
        optimizer.zero_grad()
        network(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
        return network.weight.detach().clone()

    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(3):
        step(network, optimizer)
    again = copied((network, optimizer))
    assert torch.equal(step(*again), step(network, optimizer))


def test_a_recurrent_network_computes_the_same():
    lstm = torch.nn.LSTM(3, 5)
    inputs = torch.randn(7, 2, 3)
    with torch.no_grad():
        assert difference(lstm(inputs), copied(lstm)(inputs)) == ""


# --- buffers ----------------------------------------------------------------------------------------------------------

FLAT, BY_NAME = Box(-1, 1, (3,), np.float32), Dict({"a": Box(-1, 1, (2,), np.float32), "b": Box(0, 255, (4,), np.uint8)})


def fill(buffer, n_rows, seed=1):
    """Add rows that differ."""
    space, actions = copy.deepcopy(buffer.observation_space), copy.deepcopy(buffer.action_space)
    space.seed(seed)
    actions.seed(seed)

    def observe():
        drawn = [space.sample() for _ in range(buffer.n_envs)]
        if isinstance(drawn[0], dict):
            return {name: np.stack([observation[name] for observation in drawn]) for name in drawn[0]}
        return np.stack(drawn)

    for place in range(n_rows):
        acted = np.stack([actions.sample() for _ in range(buffer.n_envs)])
        ones = np.ones(buffer.n_envs)
        buffer.add(observe(), observe(), acted, place * ones, ones * (place % 3 == 0), [{}] * buffer.n_envs)


def content_of(buffer):
    return {name: value for name, value in vars(buffer).items() if not isinstance(value, gymnasium.Space)}


BUFFERS = {
    "empty": (ReplayBuffer, FLAT, 0, {}),
    "begun": (ReplayBuffer, FLAT, 7, {}),
    "one row from full": (ReplayBuffer, FLAT, 9, {}),
    "full": (ReplayBuffer, FLAT, 10, {}),
    "full, and begun again": (ReplayBuffer, FLAT, 14, {}),
    "begun, saving memory": (ReplayBuffer, FLAT, 7, {"optimize_memory_usage": True, "handle_timeout_termination": False}),
    "one row from full, saving memory": (
        ReplayBuffer,
        FLAT,
        9,
        {"optimize_memory_usage": True, "handle_timeout_termination": False},
    ),
    "full, saving memory": (ReplayBuffer, FLAT, 14, {"optimize_memory_usage": True, "handle_timeout_termination": False}),
    "by name": (DictReplayBuffer, BY_NAME, 7, {}),
    "by name, full": (DictReplayBuffer, BY_NAME, 14, {}),
}


@pytest.fixture(params=BUFFERS)
def buffer(request):
    kind, observations, n_rows, arguments = BUFFERS[request.param]
    made = kind(20, observations, Box(-1, 1, (2,), np.float32), n_envs=2, device="cpu", **arguments)  # 10 rows of 2
    fill(made, n_rows)
    return made


@pytest.mark.parametrize("rows_at_once", [1, 3, 1000])
def test_a_replay_buffer_holds_the_same(buffer, monkeypatch, rows_at_once):
    largest = max(array.nbytes for array in vars(buffer).values() if isinstance(array, np.ndarray))
    monkeypatch.setattr(snapshot, "_BYTES_AT_ONCE", rows_at_once * largest // buffer.buffer_size)
    again = copied(buffer)
    assert difference(content_of(buffer), content_of(again)) == ""


def test_a_replay_buffer_fills_and_samples_on(buffer):
    again = copied(buffer)
    sampled = []
    for made in (buffer, again):
        fill(made, 8, seed=2)
        np.random.seed(3)  # noqa: NPY002  # SB3 draws from it
        sampled.append(tuple(made.sample(50)))
    assert difference(*sampled) == ""
    assert difference(content_of(buffer), content_of(again)) == ""


def test_a_large_buffer_is_written_in_pieces(monkeypatch):
    buffer = ReplayBuffer(10, FLAT, FLAT, device="cpu")
    fill(buffer, 10)
    monkeypatch.setattr(snapshot, "_BYTES_AT_ONCE", 3 * buffer.observations[:1].nbytes)
    pieces = []

    class Stream(io.BytesIO):
        def write(self, data):
            if isinstance(data, memoryview):
                pieces.append(len(data))
            return super().write(data)

        def writelines(self, lines):
            for line in lines:
                self.write(line)

    dump(buffer, Stream())
    row = buffer.observations[:1].nbytes
    assert pieces[:4] == [3 * row, 3 * row, 3 * row, row]


def test_a_replay_buffer_is_loaded_into_its_place_and_never_held_twice():
    buffer = ReplayBuffer(10_000, Box(0, 255, (1_000,), np.uint8), FLAT, device="cpu")
    buffer.observations[:] = 7
    buffer.full = True
    stream = io.BytesIO()
    dump(buffer, stream)
    stream.seek(0)
    tracemalloc.start()
    again = load(stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (again.observations == 7).all()
    assert peak < 1.2 * 2 * buffer.observations.nbytes  # observations and next observations


def test_only_the_filled_part_of_a_replay_buffer_is_written():
    buffer = ReplayBuffer(1_000_000, FLAT, FLAT, device="cpu")
    fill(buffer, 10)
    assert size(buffer) < 4_000
    again = copied(buffer)
    assert again.observations.shape == (1_000_000, 1, 3)
    fill(again, 5)
    assert again.pos == 15


def small_model(kind=PPO, policy="MlpPolicy", n_envs=2, env_id="CartPole-v1", **how):
    vec = make_vec(env_id, {}, n_envs=n_envs, seed=1, training=True)
    return kind(policy, vec, seed=1, device="cpu", **how)


def test_a_rollout_buffer_is_written_without_content_and_comes_back_empty():
    model = small_model(n_steps=512, batch_size=64, n_epochs=1).learn(1024)
    assert model.rollout_buffer.full
    again = copied(model)
    assert not again.rollout_buffer.full
    assert again.rollout_buffer.pos == 0
    assert again.rollout_buffer.observations.shape == (512, 2, 4)
    assert size(model.rollout_buffer) < 4_000 < model.rollout_buffer.observations.nbytes


@pytest.mark.parametrize(
    ("kind", "policy", "env_id"),
    [
        (PPO, "MultiInputPolicy", REACHER),
        (RecurrentPPO, "MlpLstmPolicy", "CartPole-v1"),
        (RecurrentPPO, "MultiInputLstmPolicy", REACHER),
    ],
)
def test_rollout_buffers_of_every_kind_come_back_as_reset_leaves_them(kind, policy, env_id):
    model = small_model(kind, policy, env_id=env_id, n_steps=16, batch_size=16, n_epochs=1).learn(32)
    again = copied(model).rollout_buffer
    model.rollout_buffer.reset()
    of_minibatches = {"seq_start_indices", "seq_end_indices", "pad", "pad_and_flatten"}  # made before they are read
    contents = [content_of(buffer) for buffer in (model.rollout_buffer, again)]
    first, second = ({name: content[name] for name in content.keys() - of_minibatches} for content in contents)
    assert difference(first, second) == ""


# --- random generators ------------------------------------------------------------------------------------------------

DRAWS = {"python": random.random, "numpy": np.random.random, "torch": lambda: torch.rand(()).item()}


@pytest.mark.parametrize("generator", DRAWS)
def test_a_global_random_generator_goes_on(generator):
    draw = DRAWS[generator]
    draw()
    content = dumped(None)
    drawn = [draw() for _ in range(3)]
    load(io.BytesIO(content))
    assert [draw() for _ in range(3)] == drawn


def test_a_gpu_that_is_not_in_use_is_not_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: pytest.fail("this takes a context on every GPU"))
    dump([1], io.BytesIO())


def test_what_is_loaded_on_a_gpu_computes_as_deterministically_as_what_was_seeded_there(monkeypatch):
    """Beside tests/gpu, which sees it in the bits."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["state"])
    given = []
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.append)
    stream = io.BytesIO()
    dump({}, stream)
    stream.seek(0)
    load(stream)
    assert given == [["state"]]
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_random_generators_are_set_last():
    """Making an environment may draw from them."""

    class Draws:
        def __reduce__(self):
            return np.random.random, ()

    content = dumped([Draws()])
    drawn = np.random.random()  # noqa: NPY002
    load(io.BytesIO(content))
    assert np.random.random() == drawn  # noqa: NPY002


def test_the_actions_of_a_warm_up_go_on():
    """SB3 draws them from the model's action space."""
    model = small_model(SAC, env_id="Pendulum-v1", n_envs=1, learning_starts=1000, buffer_size=1000).learn(20)
    again = copied(model)
    drawn = [[made.action_space.sample().tolist() for _ in range(3)] for made in (model, again)]
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]


# --- models and callbacks ---------------------------------------------------------------------------------------------


def test_a_model_leaves_what_belongs_to_one_attempt():
    model = small_model(DQN, n_envs=1, buffer_size=100, learning_starts=10).learn(20)
    model.collect_rollouts = lambda: "lent"
    again = copied(model)
    assert not {"_logger", "_custom_logger", "collect_rollouts"} & vars(again).keys()
    left = vars(model).keys() - vars(again).keys()
    assert left == {"_logger", "_custom_logger", "collect_rollouts"}


def test_a_model_its_environment_and_its_callbacks_stay_together():
    vec = make_vec("CartPole-v1", {"normalize": True}, n_envs=1, seed=1, training=True)
    evaluation_env = make_vec("CartPole-v1", {"normalize": True}, n_envs=1, seed=2, training=False)
    model = PPO("MlpPolicy", vec, n_steps=32, batch_size=32, seed=1, device="cpu")
    rule = {"evaluate_every": 40, "n_episodes": 1, "max_no_improvement": 9, "min_evaluations": 1}
    curves = Curves()
    callbacks = [EpisodeRecorder(curves), convergence(rule, evaluation_env, curves, n_envs=1)]
    model.learn(64, callback=callbacks)
    model, evaluation_env, (recorder, evaluator), curves = copied((model, evaluation_env, callbacks, curves))
    assert model.get_vec_normalize_env() is model.get_env()
    assert model.action_space is model.get_env().action_space
    assert evaluator.eval_env is evaluation_env
    assert isinstance(evaluator, EvalCallback)
    assert evaluator.callback.parent is evaluator
    assert recorder.model is evaluator.model is model
    assert recorder._curves is curves
    assert len(curves.evaluations) == 1
    assert evaluator.best_mean_reward == curves.evaluations[0][1]
    assert evaluator.n_calls == 64


@pytest.mark.parametrize("name", ["locals", "globals"])
def test_callbacks_leave_the_local_variables_of_learn(name):
    recorder = EpisodeRecorder(Curves())
    small_model(n_steps=16, batch_size=16).learn(32, callback=recorder)
    assert name in vars(recorder)
    assert name not in vars(copied(recorder))


@pytest.mark.parametrize("frame_stack", [None, 4])
def test_the_last_observations_of_a_game_lie_in_memory_as_before(frame_stack):
    vec = make_vec("BreakoutNoFrameskip-v4", {"frame_stack": frame_stack}, n_envs=2, seed=1, training=True)
    model = PPO("CnnPolicy", vec, n_steps=4, batch_size=8, n_epochs=1, seed=1, device="cpu").learn(8)
    assert model._last_obs.shape == (2, frame_stack or 1, 84, 84)
    assert model._last_obs.strides != np.empty(model._last_obs.shape, np.uint8).strides
    assert difference(model._last_obs, copied(model)._last_obs) == ""


if __name__ == "__main__":
    play_on(Path(sys.argv[1]))
