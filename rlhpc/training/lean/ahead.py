"""Games that are loaded ahead: by the server that trainings are forked from, each of which then finds them loaded.

To load a game is 80 ms of computing, for each of an agent's environments; trainings of one game that share few cores wait for
each other's. Only games without sticky actions, as those of `NoFrameskip-v4`: a load seeds an emulator's random generator alone,
which they never ask, so that each is the same whatever it was loaded with.
"""

from __future__ import annotations

from typing import Any

import ale_py
from ale_py.env import AtariEnv

_emulators: dict[tuple[tuple[str, Any], ...], list[ale_py.ALEInterface]] = {}  # by what an environment is made with


def keep(env: AtariEnv) -> None:
    """Keep the emulator of an environment that has just been made for the next that is made with the same."""
    if env._ezpickle_kwargs["repeat_action_probability"] == 0:  # noqa: SLF001  # not told otherwise
        _emulators.setdefault(_key(env), []).append(env.ale)


def take(env: AtariEnv) -> bool:
    """Give an environment that is just being made an emulator in which its game is loaded; tell whether there was one."""
    kept = _emulators.get(_key(env))
    if not kept:
        return False
    emulator = kept.pop()
    emulator.setInt("random_seed", env.ale.getInt("random_seed"))  # for the next load
    env.ale = emulator
    return True


def _key(env: AtariEnv) -> tuple[tuple[str, Any], ...]:
    return tuple(env._ezpickle_kwargs.items())  # noqa: SLF001  # not told otherwise
