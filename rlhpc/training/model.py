"""The model: an SB3 algorithm built from a training's hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from rlhpc.training import signature
from rlhpc.training.algos import CLASSES
from rlhpc.training.hyperparameters import NOISES, OF_NOISE, OURS, is_class, schedule_start
from rlhpc.training.policy_class import policy_class

_NOISES: dict[str, type[ActionNoise]] = dict(zip(NOISES, (NormalActionNoise, OrnsteinUhlenbeckActionNoise), strict=True))


def load_class(class_name: str) -> type[BaseAlgorithm]:
    """Import an algorithm's class."""
    found: type[BaseAlgorithm] = signature.load(CLASSES[class_name])
    return found


def build(hyperparameters: Mapping[str, Any], env: VecEnv, *, seed: int, device: str) -> BaseAlgorithm:
    """Build the model of one training.

    Parameters
    ----------
    hyperparameters : mapping
        From `Algo.hyperparameters`.
    env : VecEnv
    seed : int
        Seeds the weights, the exploration and the environments.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    """
    class_name = str(hyperparameters["class"])
    arguments = {name: _argument(name, value) for name, value in hyperparameters.items() if name not in (*OURS, *OF_NOISE)}
    if "noise_type" in hyperparameters:
        arguments["action_noise"] = _noise(hyperparameters, env)
    policy = hyperparameters.get("policy") or default_policy(class_name, env.observation_space)
    return load_class(class_name)(policy=policy, env=env, seed=seed, device=device, **arguments)


def default_policy(class_name: str, observation_space: spaces.Space[Any]) -> str:
    """Name the policy that fits an observation space: CnnPolicy for images, MultiInputPolicy for dicts, else MlpPolicy."""
    kind = "Cnn" if is_image_space(observation_space) else "Mlp"
    if isinstance(observation_space, spaces.Dict):
        kind = "MultiInput"
    return f"{kind}LstmPolicy" if class_name == "RecurrentPPO" else f"{kind}Policy"


def _argument(name: str, value: Any) -> Any:
    """Turn a YAML value into what the class takes."""
    start = schedule_start(value)
    if start is not None:
        return linear_schedule(start)
    if name == "policy_kwargs" and value is not None:
        return {key: policy_class(key, inner) if is_class(key, inner) else inner for key, inner in value.items()}
    if name == "train_freq" and isinstance(value, list):
        return tuple(value)
    return value


def linear_schedule(initial: float) -> Callable[[float], float]:
    """Return the schedule that falls linearly from `initial` to 0.

    A training may overshoot its budget by a part of a rollout; the schedule then stays at 0 and does not turn negative.
    """
    return lambda progress_remaining: max(progress_remaining, 0.0) * initial


def _noise(hyperparameters: Mapping[str, Any], env: VecEnv) -> ActionNoise:
    """Make the action noise that ``noise_type`` and ``noise_std`` describe."""
    shape = env.action_space.shape or ()
    noise: Any = _NOISES[str(hyperparameters["noise_type"])]
    made: ActionNoise = noise(mean=np.zeros(shape), sigma=float(hyperparameters.get("noise_std", 0.0)) * np.ones(shape))
    return made
