"""The model: an SB3 algorithm built from a training's hyperparameters."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rlhpc.errors import ConfigError, nearest
from rlhpc.files import canonical_json
from rlhpc.records import Training
from rlhpc.training.algos import CLASSES, RANDOM

# Hyperparameters of RL Zoo's format that are not arguments of the class.
OURS = ("class", "n_envs", "policy", "frame_stack", "normalize", "convergence", "fast")
OF_NOISE = ("noise_type", "noise_std")  # stand for the argument action_noise
OF_RANDOM = ("class", "n_envs", "n_trials", "n_episodes")
# Arguments of the class that we set ourselves.
_RESERVED = ("self", "policy", "env", "seed", "device", "verbose", "tensorboard_log", "action_noise", "_init_setup_model")
_COUNTS = ("n_envs", "n_trials", "n_episodes", "n_steps", "n_epochs", "batch_size", "buffer_size")
_CONVERGENCE = ("evaluate_every", "n_episodes", "max_no_improvement", "min_evaluations")
_NOISES: dict[str, type[ActionNoise]] = {"normal": NormalActionNoise, "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise}


def load_class(class_name: str) -> type[BaseAlgorithm]:
    """Import an algorithm's class."""
    module, _, attribute = CLASSES[class_name].partition(":")
    found: type[BaseAlgorithm] = getattr(importlib.import_module(module), attribute)
    return found


def faults(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a training's hyperparameters, as far as can be told without making the environment."""
    class_name = str(hyperparameters["class"])
    known = OF_RANDOM if class_name == RANDOM else _known(class_name)
    found = [
        f"unknown hyperparameter '{name}' of {class_name}. {nearest(name, known)}"
        for name in hyperparameters
        if name not in known
    ]
    for name, value in hyperparameters.items():
        reason = _fault(name, value, class_name)
        if reason:
            found.append(f"hyperparameter {name} = {value!r} of {class_name} {reason}")
    return found


def refuse_faults(trainings: Iterable[Training]) -> None:
    """Refuse hyperparameters that no training can use.

    Raises
    ------
    ConfigError
        With every fault, once for each algorithm.
    """
    pairs = {training.key[:-1]: training for training in trainings}  # the seeds of an algorithm in an environment have the same
    told = {f"algorithm '{training.algo}': {fault}" for training in pairs.values() for fault in faults(training.hyperparameters)}
    if told:
        raise ConfigError(*sorted(told))


def _known(class_name: str) -> tuple[str, ...]:
    """Name the hyperparameters of a class."""
    arguments = inspect.signature(load_class(class_name).__init__).parameters
    noise = OF_NOISE if "action_noise" in arguments else ()
    return (*OURS, *noise, *(name for name in arguments if name not in _RESERVED))


def _fault(name: str, value: Any, class_name: str) -> str:
    """Return what is wrong with a hyperparameter's value; empty if nothing is."""
    try:
        is_plain = json.loads(canonical_json(value)) == value  # as it will be stored and read again
    except (TypeError, ValueError):
        is_plain = False
    if not is_plain:
        return "must be made of texts, finite numbers, lists and mappings with texts as keys."
    is_count = type(value) is int and value >= 1
    rules = {
        **dict.fromkeys(_COUNTS, (is_count, "must be a whole number, at least 1.")),
        "frame_stack": (value is None or is_count, "must be a whole number, at least 1."),
        "policy_kwargs": (isinstance(value, Mapping), "must be a mapping, such as {net_arch: [64, 64]}."),
        "normalize": (_is_normalize(value), "must be true, false or a mapping of VecNormalize's arguments."),
        "noise_type": (str(value) in _NOISES, f"is none. {nearest(str(value), _NOISES)}"),
        "fast": (isinstance(value, bool), "must be true or false."),
        "convergence": (_is_convergence(value), f"must be a mapping of all of {', '.join(_CONVERGENCE)} to whole numbers."),
    }
    holds, demand = rules.get(name, (True, ""))
    if not holds:
        return demand
    if name == "policy" and value is not None and value not in load_class(class_name).policy_aliases:
        return f"is none. {nearest(str(value), load_class(class_name).policy_aliases)}"
    try:
        _argument(name, value)
    except (ValueError, AttributeError) as error:
        return f"cannot be used: {str(error).rstrip('.')}."
    return ""


def _is_normalize(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.keys() <= inspect.signature(VecNormalize.__init__).parameters.keys() - {"self", "venv"}
    return isinstance(value, bool | None)


def _is_convergence(value: Any) -> bool:
    """Tell whether a value is a rule of convergence, or None for no rule."""
    if not isinstance(value, Mapping):
        return value is None
    return value.keys() == set(_CONVERGENCE) and all(type(value[key]) is int and value[key] >= 1 for key in _CONVERGENCE)


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
    if isinstance(value, str) and value.startswith("lin_"):
        return linear_schedule(float(value.removeprefix("lin_")))
    if name == "policy_kwargs":
        return {key: _policy_argument(key, inner) for key, inner in value.items()}
    if name == "train_freq" and isinstance(value, list):
        return tuple(value)
    return value


def linear_schedule(initial: float) -> Callable[[float], float]:
    """Return the schedule that falls linearly from `initial` to 0.

    A training may overshoot its budget by a part of a rollout; the schedule then stays at 0 and does not turn negative.
    """
    return lambda progress_remaining: max(progress_remaining, 0.0) * initial


def _policy_argument(name: str, value: Any) -> Any:
    """Find the class behind a name such as ``nn.ReLU``, ``torch.optim.Adam`` or ``RMSpropTFLike``."""
    if not (name.endswith(("_class", "_fn")) and isinstance(value, str)):
        return value
    path = value.removeprefix("torch.").removeprefix("th.")
    if path == RMSpropTFLike.__name__:
        return RMSpropTFLike
    if not path.startswith(("nn.", "optim.")):
        raise ValueError(
            f"policy_kwargs: {name} = '{value}' must be a class of torch.nn or torch.optim, such as nn.ReLU, or RMSpropTFLike."
        )
    found: Any = torch
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _noise(hyperparameters: Mapping[str, Any], env: VecEnv) -> ActionNoise:
    """Make the action noise that ``noise_type`` and ``noise_std`` describe."""
    shape = env.action_space.shape or ()
    noise: Any = _NOISES[str(hyperparameters["noise_type"])]
    made: ActionNoise = noise(mean=np.zeros(shape), sigma=float(hyperparameters.get("noise_std", 0.0)) * np.ones(shape))
    return made
