"""Environments as an agent meets them.

Atari games get SB3's AtariWrapper (no-op starts, frame skip 4, a lost life ends a training episode, 84 x 84 grey frames,
clipped rewards). Every environment has a Monitor below it, which records the true, unclipped scores of whole games.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium import Env
from gymnasium.spaces import Box
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from rlhpc.training import registry
from rlhpc.training.atari import Recorder


def make_vec(env_id: str, hyperparameters: Mapping[str, Any], *, n_envs: int, seed: int, training: bool) -> VecEnv:
    """Make the vector environment of an agent, in this process.

    Parameters
    ----------
    env_id : str
    hyperparameters : mapping
        ``frame_stack`` (frames that an observation holds) and ``normalize`` (True, or arguments of VecNormalize) are used.
    n_envs : int
    seed : int
        Environment i is seeded with ``seed + i``.
    training : bool
        False for evaluation: rewards are left as they are, and running statistics are not updated.
    """
    is_atari = registry.is_atari(env_id)
    vec: VecEnv = make_vec_env(
        env_id,
        n_envs=n_envs,
        seed=seed,
        # ALE/Pong-v5 skips 4 frames itself; below AtariWrapper, which skips 4 too, that would be 16 frames an action.
        env_kwargs={"frameskip": 1} if is_atari else None,
        wrapper_class=_atari if is_atari else None,
        vec_env_cls=DummyVecEnv,  # faster than processes where many trainings share the cores
    )
    if hyperparameters.get("frame_stack"):
        vec = VecFrameStack(vec, int(hyperparameters["frame_stack"]))
    if hyperparameters.get("normalize"):
        vec = _normalised(vec, hyperparameters, training=training)
    # SB3 would do this for the training's environment alone; both are to be alike.
    space = vec.observation_space
    if isinstance(space, Box) and is_image_space(space) and not is_image_space_channels_first(space):
        vec = VecTransposeImage(vec)
    return vec


def _atari(env: Env[Any, Any]) -> AtariWrapper:
    """Wrap an Atari game; the recorder sees every frame."""
    return AtariWrapper(Recorder(env))


def _normalised(vec: VecEnv, hyperparameters: Mapping[str, Any], *, training: bool) -> VecNormalize:
    """Normalise by running statistics, which discount returns as the agent does (as in RL Zoo)."""
    arguments = {"gamma": hyperparameters["gamma"]} if "gamma" in hyperparameters else {}
    if isinstance(hyperparameters["normalize"], Mapping):
        arguments |= hyperparameters["normalize"]
    if not training:
        arguments |= {"training": False, "norm_reward": False}
    return VecNormalize(vec, **arguments)
