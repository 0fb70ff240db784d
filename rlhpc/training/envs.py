"""Environments as an agent meets them.

Atari games get SB3's AtariWrapper (no-op starts, frame skip 4, a lost life ends a training episode, 84 x 84 grey frames,
clipped rewards). Every environment has a Monitor below it, which records the true, unclipped scores of whole games. Where there
is a lean environment that comes to the same bits, it is taken in the place of the wrappers.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
from gymnasium import Env
from gymnasium.spaces import Box
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from rlhpc.training import registry
from rlhpc.training.atari import Recorder
from rlhpc.training.lean import ahead
from rlhpc.training.lean import atari as lean_atari
from rlhpc.training.lean.atari import LeanAtari


def make_vec(  # noqa: PLR0913  # how to make one are keywords
    env_id: str, hyperparameters: Mapping[str, Any], *, n_envs: int, seed: int, training: bool, may_be_lean: bool = True
) -> VecEnv:
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
    may_be_lean : bool
        False: by the wrappers of SB3 and shimmy, which come to the same and take longer.
    """
    n_stack = int(hyperparameters.get("frame_stack") or 0)
    vec = _lean(env_id, hyperparameters, n_envs, seed, n_stack) if may_be_lean else None
    if vec is None:
        vec = _wrapped(env_id, n_envs, seed)
    if n_stack and not isinstance(vec, LeanAtari):  # which stacks frames itself
        vec = VecFrameStack(vec, n_stack)
    if hyperparameters.get("normalize"):
        vec = _normalised(vec, hyperparameters, training=training)
    # SB3 would do this for the training's environment alone; both are to be alike.
    space = vec.observation_space
    if isinstance(space, Box) and is_image_space(space) and not is_image_space_channels_first(space):
        vec = VecTransposeImage(vec)
    return vec


def load_ahead(games: Mapping[str, int]) -> None:
    """Load games that are played lean, in this process, for those that are forked from it; pass over all else.

    Parameters
    ----------
    games : mapping of str to int
        How many of which environment.
    """
    for env_id, n in games.items():
        with contextlib.suppress(Exception):  # what is wrong with a game, each training of it says
            if registry.is_atari(env_id):
                first = _bare(env_id, seed=0)
                if lean_atari.fits(first) and ahead.can_be_kept(first):
                    others = [_bare(env_id, seed=0) for _ in range(1, n)]  # before one is kept that these would take
                    for env in (first, *others):
                        ahead.keep(env)  # type: ignore[arg-type]  # all are made alike


def _arguments(env_id: str) -> dict[str, Any]:
    """Return what an environment is made with."""
    # ALE/Pong-v5 skips 4 frames itself; below what skips 4 too, that would be 16 frames an action.
    return {"frameskip": 1} if registry.is_atari(env_id) else {}


def _lean(env_id: str, hyperparameters: Mapping[str, Any], n_envs: int, seed: int, n_stack: int) -> VecEnv | None:
    """Make a lean vector environment; None if there is none that comes to the same as the wrappers."""
    is_atari = registry.is_atari(env_id)
    if is_atari and hyperparameters.get("normalize"):  # which comes before channels are moved to the front
        return None
    if not is_atari and not registry.is_of_control_suite(env_id):
        return None
    fits: Callable[[Env[Any, Any]], bool] = lean_atari.fits
    make: Callable[[list[Any]], VecEnv] = functools.partial(LeanAtari, seed=seed, n_stack=n_stack or 1)
    if not is_atari:
        from rlhpc.training.lean import control  # noqa: PLC0415  # it loads dm_control, for which most trainings have no use

        fits, make = control.fits, control.LeanControl
    envs = [_bare(env_id, seed)]
    if not fits(envs[0]):
        envs[0].close()
        return None
    envs += [_bare(env_id, seed + place) for place in range(1, n_envs)]
    for place, env in enumerate(envs):
        env.action_space.seed(seed + place)
    vec = make(envs)
    vec.seed(seed)
    return vec


def _bare(env_id: str, seed: int) -> Env[Any, Any]:
    """Make an environment without the wrappers that only look whether it is used rightly; another kind of wrapper stays."""
    with lean_atari.loaded_with(seed) if registry.is_atari(env_id) else _without_sky():
        env = gymnasium.make(env_id, render_mode="rgb_array", **_arguments(env_id))
    while isinstance(env, PassiveEnvChecker | OrderEnforcing):
        env = env.env
    return env


def _without_sky() -> contextlib.AbstractContextManager[None]:
    from rlhpc.training import physics  # noqa: PLC0415  # it loads dm_control, for which most trainings have no use

    return physics.without_sky()


def _wrapped(env_id: str, n_envs: int, seed: int) -> VecEnv:
    """Make a vector environment of wrapped environments."""
    return make_vec_env(
        env_id,
        n_envs=n_envs,
        seed=seed,
        env_kwargs=_arguments(env_id),
        wrapper_class=_atari if registry.is_atari(env_id) else None,
        vec_env_cls=DummyVecEnv,  # faster than processes where many trainings share the cores
    )


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
