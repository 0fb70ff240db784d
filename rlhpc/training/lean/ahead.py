"""Games that are loaded ahead: by the server that trainings are forked from, each of which then finds them loaded.

To load a game is 80 ms of computing, for each of an agent's environments; trainings of one game that share few cores wait for
each other's. Only games without sticky actions, as those of `NoFrameskip-v4`: a load seeds an emulator's random generator alone,
which draws at each frame whether an action sticks, and at a probability of 0 none does. So each is the same whatever it was
loaded with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ale_py
from ale_py.env import AtariEnv

_emulators: dict[tuple[Any, ...], list[ale_py.ALEInterface]] = {}  # by what an environment is made with


def can_be_kept(env: AtariEnv) -> bool:
    """Tell whether it does not matter what an environment's game was loaded with: whether no action sticks."""
    return bool(env._ezpickle_kwargs["repeat_action_probability"] == 0)  # noqa: SLF001  # not told otherwise


def keep(env: AtariEnv) -> None:
    """Keep the emulator of an environment that has just been made for the next that is made with the same."""
    _emulators.setdefault(_key(env), []).append(env.ale)


@contextlib.contextmanager
def taking() -> Iterator[None]:
    """Have a game that is made in it take an emulator that was kept, if there is one, and be loaded else."""
    load_game = AtariEnv.load_game

    def take_or_load(self: AtariEnv) -> None:
        kept = _emulators.get(_key(self))
        if not kept:
            load_game(self)
            return
        emulator = kept.pop()
        emulator.setInt("random_seed", self.ale.getInt("random_seed"))  # for the next load
        self.ale = emulator

    AtariEnv.load_game = take_or_load  # type: ignore[method-assign]  # on purpose
    try:
        yield
    finally:
        AtariEnv.load_game = load_game  # type: ignore[method-assign]  # as it was


def _key(env: AtariEnv) -> tuple[Any, ...]:
    return (type(env), *env._ezpickle_kwargs.items())  # noqa: SLF001  # not told otherwise
