"""Tasks of the DeepMind Control Suite without wrappers: what shimmy, `Monitor` and `DummyVecEnv` come to.

Observations are those of the task, with one array for each of their names, float64; an episode is cut when its time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import gymnasium
import mujoco
import numpy as np
from dm_control.mujoco import Physics
from dm_control.mujoco.index import Axis, FieldIndexer, RaggedNamedAxis, RegularNamedAxis
from dm_control.rl.control import Environment
from gymnasium.spaces import Dict
from numpy.typing import NDArray
from shimmy.dm_control_compatibility import DmControlCompatibilityV0
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhpc.training.lean.vec import Episode, LeanVecEnv

Observation = dict[str, NDArray[Any]]
_RK4 = mujoco.mjtIntegrator.mjINT_RK4.value
_OF_PHYSICS = ("step", "check_invalid_state", "_step_with_up_to_date_position_velocity")  # that `_advance` stands for


def _look_names_up_directly() -> None:
    """Have ``physics.named`` find elements by the tables of their names, which learn lists of names, too.

    What is no name goes dm_control's way.
    """
    for axis, table in ((RegularNamedAxis, "_names_to_offsets"), (RaggedNamedAxis, "_names_to_slices")):
        axis.convert_key_item = _by_table(table, axis.convert_key_item)
    FieldIndexer._convert_key = _by_axes(FieldIndexer._convert_key)  # noqa: SLF001  # not told otherwise


def _by_table(table: str, convert: Callable[[Axis, Any], Any]) -> Callable[[Axis, Any], Any]:
    def convert_key_item(self: Axis, key_item: Any) -> Any:
        known = getattr(self, table)
        if type(key_item) is list and all(type(name) is str for name in key_item):
            names = tuple(key_item)
            if names not in known:
                known[names] = convert(self, key_item)
            return known[names]
        found = known.get(key_item) if type(key_item) is str else None
        return convert(self, key_item) if found is None else found

    return convert_key_item


def _by_axes(convert: Callable[[FieldIndexer, Any], Any]) -> Callable[[FieldIndexer, Any], Any]:
    def convert_key(self: FieldIndexer, key: Any) -> Any:
        row, column = self._axes
        if type(key) is str:
            return row.convert_key_item(key)
        if type(key) is tuple and len(key) == 2 and column is not None:  # row and column
            return row.convert_key_item(key[0]), column.convert_key_item(key[1])
        return convert(self, key)

    return convert_key


_look_names_up_directly()


def fits(env: gymnasium.Env[Any, Any]) -> TypeGuard[DmControlCompatibilityV0[Any]]:
    """Tell whether a bare environment is a task that is stepped here: of the suite, with named observations."""
    control: Any = getattr(env, "_env", None)
    if type(env) is not DmControlCompatibilityV0 or type(control) is not Environment:
        return False
    if control._flat_observation:  # noqa: SLF001  # not told otherwise
        return False
    physics = type(control.physics)
    return isinstance(env.observation_space, Dict) and all(
        getattr(physics, name) is getattr(Physics, name) for name in _OF_PHYSICS
    )


class LeanControl(LeanVecEnv[DmControlCompatibilityV0[Any]]):
    """Tasks of the DeepMind Control Suite side by side.

    Parameters
    ----------
    envs : sequence of DmControlCompatibilityV0
        That `fits`.
    """

    def __init__(self, envs: Sequence[DmControlCompatibilityV0[Any]]) -> None:
        space = envs[0].observation_space
        super().__init__(envs, space)
        self._arrays = {name: ((len(envs), *part.shape), part.dtype) for name, part in space.spaces.items()}
        self._episodes = [Episode() for _ in envs]

    def reset(self) -> Observation:
        """Begin all episodes; return the observations, each array of shape (n_envs, ...)."""
        observations = self._room()
        for place, (env, episode, seed) in enumerate(zip(self.envs, self._episodes, self._seeds, strict=True)):
            episode.begin()
            observation, self.reset_infos[place] = env.reset(seed=seed)
            _put(observations, place, observation)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """Step all; return observations, rewards, ends and infos, an episode that has ended being begun again."""
        observations = self._room()
        rewards, dones = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, np.bool_)
        infos: list[dict[str, Any]] = []
        for place, (env, episode) in enumerate(zip(self.envs, self._episodes, strict=True)):
            observation, reward, discount = _step(env._env, self.actions[place])  # noqa: SLF001  # not told otherwise
            episode.add(reward)
            rewards[place] = reward
            info: dict[str, Any] = {"TimeLimit.truncated": discount is not None and discount > 0}
            if discount is not None:
                dones[place] = True
                info["episode"] = episode.summary()
                last = observation
                episode.begin()
                observation, self.reset_infos[place] = env.reset()
                # Behind the reset, as SB3 does: what a task does not copy out of its physics is that of the next episode.
                info["terminal_observation"] = {name: np.array(value) for name, value in last.items()}
            infos.append(info)
            _put(observations, place, observation)
        return observations, rewards, dones, infos

    def _room(self) -> Observation:
        """Make room for an observation of each."""
        return {name: np.empty(shape, dtype) for name, (shape, dtype) in self._arrays.items()}


def _put(observations: Observation, place: int, observation: Mapping[str, Any]) -> None:
    for name, array in observations.items():
        array[place] = observation[name]


def _step(control: Any, action: NDArray[Any]) -> tuple[Mapping[str, Any], float, float | None]:
    """Step as `dm_control.rl.control.Environment` does; return observation, reward, and at the end of an episode its discount."""
    task, physics = control.task, control.physics
    task.before_step(action, physics)
    _advance(physics, control._n_sub_steps)  # noqa: SLF001  # not told otherwise, here and below
    task.after_step(physics)
    reward, observation = task.get_reward(physics), task.get_observation(physics)
    control._step_count += 1  # noqa: SLF001  # this and the next stand for its own `step`
    discount = 1.0 if control._step_count >= control._step_limit else task.get_termination(physics)  # noqa: SLF001  # as above
    if discount is not None:
        control._reset_next_step = True  # noqa: SLF001  # as above
    return observation, float(reward or 0), discount


def _advance(physics: Physics, n_steps: int) -> None:
    """Advance a physics as its own `step` does, which spends half of its time on looking whether MuJoCo has warned."""
    warnings = physics._warnings  # noqa: SLF001  # as its own `check_invalid_state`
    before = warnings.tobytes()
    model, data = physics.model.ptr, physics.data.ptr
    if not physics.legacy_step:
        mujoco.mj_step(model, data, n_steps)
    else:
        if model.opt.integrator == _RK4:
            mujoco.mj_step(model, data, n_steps)
        else:
            mujoco.mj_step2(model, data)
            if n_steps > 1:
                mujoco.mj_step(model, data, n_steps - 1)
        mujoco.mj_step1(model, data)
    if (after := warnings.tobytes()) != before:
        warnings[:] = np.frombuffer(before, warnings.dtype)
        with physics.check_invalid_state():  # which tells of it
            warnings[:] = np.frombuffer(after, warnings.dtype)
