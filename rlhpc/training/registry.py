"""The registry: which Gymnasium ids there are and what they are.

Importing it registers ale-py's; shimmy's are registered as soon as an id is asked for that may need them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import ale_py
import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

from rlhpc.errors import InputError, nearest

OBSERVATIONS = (Box, Dict, Discrete, MultiBinary, MultiDiscrete)

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # before the first is made, whose banner would be printed


def unknown_ids(env_ids: Iterable[str]) -> list[str]:
    """Return one sentence for each id that is not registered, with the nearest that is.

    An id may name the module that registers it, as Gymnasium allows: ``my_package:MyEnv-v0``.
    """
    return [fault for env_id in env_ids if (fault := _fault(env_id))]


def _fault(env_id: str) -> str:
    """Return why an id is not known; empty if it is."""
    try:
        _import_module_of(env_id)
    except Exception as error:  # noqa: BLE001  # a module of the user's may raise anything
        reason = f"{type(error).__name__}: {error}"
        return f"environment '{env_id}' is in a module that cannot be imported ({reason}). Is its folder in PYTHONPATH?"
    try:
        _spec(env_id)
    except gymnasium.error.Error:
        return f"unknown environment '{env_id}'. {nearest(env_id, gymnasium.registry, _usual_ids())}"
    return ""


def _usual_ids() -> list[str]:
    """Return the ids that somebody may have meant: of the many of an Atari game, that of Atari-100k and ale-py's newest."""
    return [
        name
        for name, spec in gymnasium.registry.items()
        if "AtariEnv" not in str(spec.entry_point) or name.endswith("NoFrameskip-v4") or name.startswith("ALE/")
    ]


def _spec(env_id: str) -> EnvSpec:
    """Look an id up."""
    _import_module_of(env_id)
    name = env_id.rpartition(":")[2]
    if name not in gymnasium.registry or name != env_id:  # what a module of the user's makes may be made of shimmy's
        importlib.import_module("rlhpc.training.shimmy_envs")
    return gymnasium.spec(name)


def _import_module_of(env_id: str) -> None:
    """Import the module that an id names, if it names one; `gymnasium.spec`, unlike `gymnasium.make`, does not."""
    module, colon, _ = env_id.rpartition(":")
    if colon:
        importlib.import_module(module)


def is_registered(env_id: str) -> bool:
    """Tell whether Gymnasium knows an id."""
    return not _fault(env_id)


def is_atari(env_id: str) -> bool:
    """Tell whether an id is one of ale-py's games."""
    return "AtariEnv" in str(_spec(env_id).entry_point)


def game(env_id: str) -> str:
    """Return the game of an Atari environment, as ale-py names it; blank where its registration does not say."""
    return str(_spec(env_id).kwargs.get("game", "")) if is_atari(env_id) else ""


def is_of_control_suite(env_id: str) -> bool:
    """Tell whether an id is one of shimmy's for the DeepMind Control Suite."""
    return "dm_control_suite" in str(_spec(env_id).entry_point)


def action_space(env_id: str) -> str:
    """Make an environment once and name its action space as `BenchmarkEnv` does.

    Raises
    ------
    InputError
        If the environment cannot be made, or no agent of ours could act in it.
    """
    try:
        _spec(env_id)
        env = gymnasium.make(env_id)
    except Exception as error:
        raise InputError(f"environment '{env_id}' cannot be made: {type(error).__name__}: {error}") from error
    actions, observations = env.action_space, env.observation_space
    env.close()
    if not isinstance(observations, OBSERVATIONS):
        allowed = ", ".join(space.__name__ for space in OBSERVATIONS)
        raise InputError(f"environment '{env_id}' has {type(observations).__name__} observations; SB3's agents take {allowed}.")
    if is_atari(env_id) and (observations.shape or ())[2:] != (3,):
        raise InputError(
            f"environment '{env_id}' is an Atari game whose observations are not screens in colour ({observations}); its wrappers"
            " (SB3's, of 84 x 84 pixels in grey) take no others: register it with obs_type='rgb'."
        )
    if isinstance(actions, Box) and not actions.is_bounded():
        raise InputError(f"environment '{env_id}' has actions without bounds ({actions}); SB3's agents need finite ones.")
    return "Continuous" if isinstance(actions, Box) else type(actions).__name__
