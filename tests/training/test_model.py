import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from rlhpc.training import model
from rlhpc.training.algos import CLASSES, RANDOM

VECTOR = spaces.Box(-1.0, 1.0, (4,), np.float32)
FRAMES_FIRST, FRAMES_LAST = spaces.Box(0, 255, (4, 84, 84), np.uint8), spaces.Box(0, 255, (84, 84, 4), np.uint8)
DICT = spaces.Dict({"position": VECTOR, "velocity": VECTOR})
TRAINED = sorted(CLASSES.keys() - {RANDOM})


def build(env, seed=1, **hyperparameters):
    return model.build({"n_envs": env.num_envs, **hyperparameters}, env, seed=seed, device="cpu")


# --- classes and policies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_name", TRAINED)
def test_a_class_is_found_by_its_own_name(class_name):
    assert model.load_class(class_name).__name__ == class_name


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (VECTOR, "Mlp"),
        (spaces.Discrete(5), "Mlp"),
        (spaces.Box(-1.0, 1.0, (84, 84, 4), np.float32), "Mlp"),
        (FRAMES_FIRST, "Cnn"),
        (FRAMES_LAST, "Cnn"),
        (DICT, "MultiInput"),
        (spaces.Dict({"frame": FRAMES_FIRST, "velocity": VECTOR}), "MultiInput"),
    ],
)
def test_the_policy_fits_the_observations(space, kind):
    assert model.default_policy("PPO", space) == f"{kind}Policy"
    assert model.default_policy("RecurrentPPO", space) == f"{kind}LstmPolicy"


@pytest.mark.parametrize("class_name", TRAINED)
@pytest.mark.parametrize("space", [VECTOR, FRAMES_FIRST, DICT], ids=["vector", "image", "dict"])
def test_every_class_knows_the_policies_that_are_named(class_name, space):
    assert model.default_policy(class_name, space) in model.load_class(class_name).policy_aliases


def test_a_policy_that_is_named_is_used(cartpole):
    built = build(cartpole, **{"class": "PPO"}, policy="MlpPolicy", n_steps=8, batch_size=16)
    assert type(built.policy).__name__ == "ActorCriticPolicy"
    with pytest.raises(ValueError, match="Policy NoPolicy unknown"):
        build(cartpole, **{"class": "PPO"}, policy="NoPolicy")


# --- values ----------------------------------------------------------------------------------------------------------


@given(st.floats(1e-9, 10), st.floats(-1, 1))
def test_a_linear_schedule_falls_to_0_and_never_below(initial, progress_remaining):
    assert model.linear_schedule(initial)(progress_remaining) == (initial * progress_remaining if progress_remaining > 0 else 0)


def test_a_linear_schedule_is_used_where_a_value_says_so(cartpole):
    values = {"class": "PPO", "n_steps": 8, "batch_size": 16, "learning_rate": "lin_0.02", "clip_range": "lin_0.4"}
    built = build(cartpole, **values)
    assert [built.lr_schedule(progress) for progress in (1.0, 0.5, 0.0, -0.1)] == [0.02, 0.01, 0.0, 0.0]
    built.learn(16)
    assert [built.clip_range(progress) for progress in (1.0, 0.5)] == [0.4, 0.2]


@pytest.mark.parametrize(("given", "frequency"), [(4, (4, "step")), ([2, "episode"], (2, "episode"))])
def test_train_freq_may_be_a_number_or_a_list(pendulum, given, frequency):
    built = build(pendulum, **{"class": "SAC"}, train_freq=given, buffer_size=100)
    assert (built.train_freq.frequency, built.train_freq.unit.value) == frequency


@pytest.mark.parametrize(("name", "found"), [("normal", NormalActionNoise), ("ornstein-uhlenbeck", OrnsteinUhlenbeckActionNoise)])
def test_noise_has_the_shape_of_actions_and_the_given_deviation(pendulum, name, found):
    built = build(pendulum, **{"class": "TD3"}, noise_type=name, noise_std=0.3, buffer_size=100)
    assert type(built.action_noise) is found
    np.testing.assert_array_equal(built.action_noise._sigma, [0.3])
    np.testing.assert_array_equal(built.action_noise._mu, [0.0])


def test_without_noise_type_there_is_no_noise(pendulum):
    assert build(pendulum, **{"class": "TD3"}, buffer_size=100).action_noise is None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"activation_fn": "nn.ReLU"}, {"activation_fn": torch.nn.ReLU}),
        ({"activation_fn": "torch.nn.ELU"}, {"activation_fn": torch.nn.ELU}),
        ({"optimizer_class": "th.optim.Adam"}, {"optimizer_class": torch.optim.Adam}),
        ({"optimizer_class": "RMSpropTFLike", "optimizer_kwargs": {"eps": 1e-5}},
         {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"eps": 1e-5}}),
    ],
)  # fmt: skip
def test_classes_of_policy_kwargs_are_found_by_name(cartpole, given, found):
    built = build(cartpole, **{"class": "A2C"}, policy_kwargs={"net_arch": [16], **given})
    assert found.items() <= built.policy_kwargs.items()
    assert built.policy_kwargs["net_arch"] == [16]


def test_policy_kwargs_of_a_grid_are_left_as_they_are(cartpole):
    hyperparameters = {"class": "A2C", "policy_kwargs": {"activation_fn": "nn.ReLU"}}
    model.build(hyperparameters, cartpole, seed=1, device="cpu")
    assert hyperparameters == {"class": "A2C", "policy_kwargs": {"activation_fn": "nn.ReLU"}}


@pytest.mark.parametrize("path", ["os.system", "builtins.eval", "ReLU", "stable_baselines3.PPO"])
def test_a_class_from_elsewhere_is_refused(cartpole, path):
    with pytest.raises(ValueError, match=f"activation_fn = '{path}' must be a class of torch.nn or torch.optim, such as nn.ReLU"):
        build(cartpole, **{"class": "A2C"}, policy_kwargs={"activation_fn": path})


# --- repetition ------------------------------------------------------------------------------------------------------


def weights(built):
    return torch.cat([parameter.detach().flatten() for parameter in built.policy.parameters()])


def test_the_same_seed_builds_the_same_weights_twice_and_another_seed_others(cartpole):
    first, again, other = (weights(build(cartpole, seed, **{"class": "A2C"})) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
