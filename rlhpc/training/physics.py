"""DeepMind Control: how a physics, which lives outside Python, is made without what nobody sees, saved, and set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import gymnasium
import mujoco
import numpy as np
from dm_control.mujoco import Physics
from dm_control.suite import common
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from rlhpc.training.reduction import Reduction

_OF_TEXTURES = "tex_"  # how the arrays of a DeepMind Control model begin that are for rendering only
_SKY = "./common/skybox.xml"
_PHYSICS_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@contextlib.contextmanager
def without_sky() -> Iterator[None]:
    """Have tasks of the DeepMind Control Suite made with a sky of one pixel, where nothing can be rendered.

    Its picture is 11.5 of the 11.9 MB of most models, and nine tenths of the time that making one takes.
    """
    painted = common.ASSETS[_SKY]
    if os.environ.get("MUJOCO_GL") == "disabled":
        common.ASSETS[_SKY] = painted.replace(b'width="800" height="800"', b'width="1" height="1"')
    try:
        yield
    finally:
        common.ASSETS[_SKY] = painted


def reductions(env: Any) -> dict[int, Callable[[], Reduction]]:
    """Return how the physics of an environment of DeepMind Control is saved, by its id; empty for any other environment."""
    physics, spec = getattr(getattr(env, "_env", None), "physics", None), getattr(env, "spec", None)
    return {id(physics): partial(_reduce, physics, spec)} if isinstance(physics, Physics) and spec is not None else {}


def _reduce(physics: Physics, spec: EnvSpec) -> Reduction:
    """Save a physics of DeepMind Control: made again from the environment's id, and set to the state that it was in."""
    return _fresh_physics, (spec,), _physics_state(physics), None, None, _set_physics


def _fresh_physics(spec: EnvSpec) -> Physics:
    """Make the physics of an environment anew."""
    with without_sky():
        physics: Physics = gymnasium.make(spec).unwrapped._env.physics  # type: ignore[attr-defined]  # noqa: SLF001  # shimmy
    return physics


def _physics_state(physics: Physics) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.float64]]:
    """Return what sets one physics apart from a fresh one: the model's arrays and options, and the integrator's state."""
    model, data = physics.model.ptr, physics.data.ptr
    state = np.empty(mujoco.mj_stateSize(model, _PHYSICS_STATE))
    mujoco.mj_getState(model, data, state, _PHYSICS_STATE)
    arrays = {name: value.copy() for name, value in _numbers(model) if isinstance(value, np.ndarray) and value.size}
    options = {name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in _numbers(model.opt)}
    return arrays, options, state


def _numbers(struct: Any) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and the arrays of a MuJoCo struct."""
    for name in dir(struct):
        if not name.startswith(("_", _OF_TEXTURES)):
            value = getattr(struct, name)
            if isinstance(value, np.ndarray | int | float):
                yield name, value


def _set_physics(physics: Physics, state: tuple[Mapping[str, Any], Mapping[str, Any], NDArray[np.float64]]) -> None:
    arrays, options, integration = state
    model, data = physics.model.ptr, physics.data.ptr
    for name, value in arrays.items():
        getattr(model, name)[...] = value
    for name, value in options.items():
        if isinstance(value, np.ndarray):
            getattr(model.opt, name)[...] = value
        else:
            setattr(model.opt, name, value)
    mujoco.mj_setState(model, data, integration, _PHYSICS_STATE)
    mujoco.mj_step1(model, data)  # dm_control begins a step with the second half: the first was made at the end of the last
