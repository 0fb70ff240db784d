"""Updates: what is left out of them changes no bit, and weights that are not finite are found without it."""

import gc
import subprocess
import sys
import weakref

import pytest
import torch
from stable_baselines3.common.logger import Logger

from rlhpc.training import model, updates
from rlhpc.training.algos import CLASSES, RANDOM
from rlhpc.training.learner import begin, evaluate, learn
from rlhpc.training.saving import Saver
from rlhpc.training.settings import TrainSettings

SMALL_ROLLOUT = {"n_steps": 32, "batch_size": 16}
OFF_POLICY = {"learning_starts": 50, "buffer_size": 500, "batch_size": 16}
HYPERPARAMETERS = {
    "ppo": {"class": "PPO", **SMALL_ROLLOUT},
    "ppo with AdamW": {"class": "PPO", **SMALL_ROLLOUT, "policy_kwargs": {"optimizer_class": "optim.AdamW"}},
    "ppo with NAdam": {"class": "PPO", **SMALL_ROLLOUT, "policy_kwargs": {"optimizer_class": "optim.NAdam"}},
    "ppo with gSDE": {"class": "PPO", **SMALL_ROLLOUT, "use_sde": True},
    "recurrent_ppo": {"class": "RecurrentPPO", **SMALL_ROLLOUT, "n_epochs": 2},
    "trpo": {"class": "TRPO", **SMALL_ROLLOUT},
    "a2c": {"class": "A2C", "policy_kwargs": {"optimizer_class": "optim.RMSprop"}},
    "a2c with RMSpropTFLike": {"class": "A2C", "policy_kwargs": {"optimizer_class": "RMSpropTFLike"}},
    "sac": {"class": "SAC", **OFF_POLICY},
    "td3": {"class": "TD3", **OFF_POLICY},
    "tqc": {"class": "TQC", **OFF_POLICY},
    "dqn": {"class": "DQN", **OFF_POLICY},
    "qr_dqn": {"class": "QRDQN", **OFF_POLICY},
}
LEARN = f"""
import hashlib, sys
import rlhpc.training.preload
from stable_baselines3.common.env_util import make_vec_env
from rlhpc.training import model, updates
for name, hyperparameters in {HYPERPARAMETERS!r}.items():
    env = make_vec_env("CartPole-v1" if "dqn" in name else "Pendulum-v1", seed=1)
    built = model.build(hyperparameters, env, seed=3, device="cpu")
    if sys.argv[1] == "trimmed":
        updates.trim(built)
    built.learn(128)
    weights = b"".join(tensor.numpy().tobytes() for tensor in built.policy.state_dict().values())
    print(name, hashlib.sha256(weights).hexdigest(), sep="=")
print("torch._dynamo", "torch._dynamo" in sys.modules, sep="=")
"""


def learned(how):
    """Have every algorithm learn in a process of its own; return the digests of the weights by name."""
    done = subprocess.run([sys.executable, "-c", LEARN, how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=") for line in done.stdout.splitlines() if "=" in line)


@pytest.fixture(scope="module")
def trimmed():
    return learned("trimmed")


@pytest.fixture(scope="module")
def as_delivered():
    return learned("as delivered")


def test_every_algorithm_is_among_those_that_are_compared():
    assert {given["class"] for given in HYPERPARAMETERS.values()} == CLASSES.keys() - {RANDOM}


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_trimmed_updates_come_to_the_same_bits(trimmed, as_delivered, name):
    assert trimmed[name] == as_delivered[name]


def test_training_does_not_wait_for_the_compiler_of_torch(trimmed, as_delivered):
    assert (trimmed["torch._dynamo"], as_delivered["torch._dynamo"]) == ("False", "True")


# --- what is left out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("class_name", "n"), [("PPO", 1), ("DQN", 1), ("SAC", 3), ("TD3", 2)])
def test_every_optimizer_of_a_model_is_found(cartpole, pendulum, class_name, n):
    env = cartpole if class_name == "DQN" else pendulum
    assert len(updates.optimizers(model.build({"class": class_name}, env, seed=1, device="cpu"))) == n


@pytest.mark.parametrize(("name", "expected"), [("Adam", True), ("SGD", True), ("NAdam", None), ("RAdam", None), ("ASGD", None)])
def test_optimizers_step_at_once_if_they_come_to_the_same_bits(cartpole, name, expected):
    hyperparameters = {"class": "A2C", "policy_kwargs": {"optimizer_class": f"optim.{name}"}}
    built = model.build(hyperparameters, cartpole, seed=1, device="cpu")
    updates.trim(built)
    (optimizer,) = updates.optimizers(built)
    assert {group["foreach"] for group in optimizer.param_groups} == {expected}


def test_parameters_are_those_that_torch_finds_and_are_not_kept_longer_than_their_policy(cartpole):
    built = model.build({"class": "PPO"}, cartpole, seed=1, device="cpu")
    updates.trim(built)
    policy, expected = built.policy, list(torch.nn.Module.parameters(built.policy))
    for _ in range(2):
        found = list(policy.parameters())
        assert [id(parameter) for parameter in found] == [id(parameter) for parameter in expected]
    assert [tuple(own.shape) for own in policy.parameters(recurse=False)] == []
    gone = weakref.ref(expected[0])
    del built, policy, expected, found
    gc.collect()
    assert gone() is None


# --- rounding otherwise ----------------------------------------------------------------------------------------------------


def bits(pendulum, **more):
    """Return the weights of an agent that has learned, as bytes."""
    built = model.build({"class": "PPO", **SMALL_ROLLOUT, **more}, pendulum, seed=3, device="cpu")
    updates.trim(built)
    if more.get("fast"):
        updates.round_otherwise(built)
    built.learn(128)
    return b"".join(tensor.numpy().tobytes() for tensor in built.policy.state_dict().values())


@pytest.fixture
def rounding():
    """Set back what holds for all models of a process."""
    backends = torch.backends
    before = (backends.cudnn.deterministic, backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32)
    yield
    backends.cudnn.deterministic, backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32 = before


@pytest.mark.usefixtures("rounding")
def test_a_fast_agent_is_another_one_and_the_same_each_time(pendulum):
    fast = [bits(pendulum, fast=True) for _ in range(2)]
    assert fast[0] == fast[1] != bits(pendulum)


@pytest.mark.usefixtures("rounding")
@pytest.mark.parametrize(("name", "expected"), [("Adam", True), ("AdamW", True), ("SGD", True), ("RMSprop", None)])
def test_optimizers_that_have_a_fused_step_take_it(cartpole, name, expected):
    hyperparameters = {"class": "A2C", "fast": True, "policy_kwargs": {"optimizer_class": f"optim.{name}"}}
    built = model.build(hyperparameters, cartpole, seed=1, device="cpu")
    updates.trim(built)
    updates.round_otherwise(built)
    (optimizer,) = updates.optimizers(built)
    assert {group.get("fused") for group in optimizer.param_groups} == {expected}
    built.learn(20)


# --- weights that are not finite -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize("total_timesteps", [32, 2_000])
def test_an_agent_whose_weights_are_no_longer_finite_raises_where_it_acts_next(tmp_path, make_training, env_id, total_timesteps):
    """In the next rollout, or in the evaluation at the end."""
    explosive = {"class": "PPO", **SMALL_ROLLOUT, "n_epochs": 1, "learning_rate": 1e37}
    training = make_training(env_id=env_id, total_timesteps=total_timesteps, hyperparameters=explosive)
    agent = begin(training, "cpu", "2026-01-01T00:00:00+00:00")
    agent.model.set_logger(Logger(None, []))

    def carry_out():
        learn(agent, total_timesteps, Saver(training, tmp_path, TrainSettings("test", "cpu"), 1, print), [])
        evaluate(agent, training)

    with pytest.raises(ValueError, match="Expected parameter"):
        carry_out()
    assert agent.timesteps <= 64


def test_distributions_are_checked_again_behind_an_update_that_fails(pendulum, monkeypatch):
    built = model.build({"class": "PPO", **SMALL_ROLLOUT}, pendulum, seed=1, device="cpu")
    monkeypatch.setattr(built, "train", lambda: torch.distributions.Normal(float("nan"), 1.0) and 1 / 0)
    updates.trim(built)
    with pytest.raises(ZeroDivisionError):
        built.train()
    with pytest.raises(ValueError, match="Expected parameter"):
        torch.distributions.Normal(float("nan"), 1.0)


def test_the_line_search_of_trpo_is_checked(pendulum):
    built = model.build({"class": "TRPO", **SMALL_ROLLOUT}, pendulum, seed=1, device="cpu")
    updates.trim(built)
    assert "train" not in vars(built)
