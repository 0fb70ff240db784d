"""Atari games that can be brought back to exactly where they were.

ale-py's copy of an emulator's state lacks what the video chip holds between two frames (its issue 412; pull requests 732 and
739, not in 0.12.1): from a restored copy Q*bert goes on differently. A reset sets that part to the same whatever came before.
So what a game was played with since its last reset is remembered, and played again.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.env import AtariEnv
from gymnasium.core import ActType, ObsType

from rlhpc.training.lean import ahead
from rlhpc.training.reduction import Reduction, bare


class Tape:
    """What an Atari game was played with since its last reset.

    Parameters
    ----------
    env : AtariEnv
        Which skips a fixed number of frames.
    """

    def __init__(self, env: AtariEnv) -> None:
        self._env = env
        self._before: ale_py.ALEState | None = None  # the last reset
        self._how: dict[str, Any] = {}  # it was reset
        self._actions: list[Any] = []  # since then

    def wind_back(self, how: dict[str, Any]) -> None:
        """Forget, before the game is reset in some way."""
        self._before, self._how, self._actions = self.state(), how, []

    def note(self, action: Any) -> None:
        """Remember a step."""
        self._actions.append(action.item() if isinstance(action, np.integer) else action)

    def state(self) -> ale_py.ALEState:
        """Return ale-py's copy of the emulator's state."""
        state: ale_py.ALEState = self._env.ale.cloneState(include_rng=True)
        return state

    def play_again(self, state: ale_py.ALEState) -> None:
        """Play to a state that was reached before, with an emulator of its own; it takes 0.2 ms a frame.

        Raises
        ------
        RuntimeError
            If it comes to another state.
        """
        if self._before is None:
            return
        game: Any = self._env
        again = _new(type(game), game._ezpickle_args, game._ezpickle_kwargs)  # noqa: SLF001  # as EzPickle would make it
        again.ale.restoreState(self._before)  # for its random generator; the rest is reset
        again.reset(**self._how)
        for action in self._actions:
            again.step(action)
        game.ale = again.ale
        if pickle.dumps(self.state()) != pickle.dumps(state):
            name = game._game  # noqa: SLF001  # not told otherwise
            raise RuntimeError(f"'{name}', played again, comes to another state than before; is it another emulator?")


class Recorder(gymnasium.Wrapper[ObsType, ActType, ObsType, ActType]):
    """Keep the tape of an Atari game among other wrappers.

    Parameters
    ----------
    env : gymnasium.Env
        With ale-py's `AtariEnv` in it.
    """

    def __init__(self, env: gymnasium.Env[ObsType, ActType]) -> None:
        super().__init__(env)
        self.tape = Tape(self.unwrapped)  # type: ignore[arg-type]  # an AtariEnv

    def reset(self, **how: Any) -> tuple[ObsType, dict[str, Any]]:
        """Reset, and forget."""
        self.tape.wind_back(how)
        return self.env.reset(**how)

    def step(self, action: ActType) -> Any:
        """Step, and remember."""
        self.tape.note(action)
        return self.env.step(action)


def reduce_atari(env: AtariEnv) -> Reduction:
    """Save an Atari game: the emulator is made again, and set to the state that it was in."""
    state = {name: value for name, value in vars(env).items() if name != "ale"}
    arguments = (type(env), env._ezpickle_args, env._ezpickle_kwargs)  # noqa: SLF001  # as EzPickle would use them
    return _new, arguments, (state, env.ale.cloneState(include_rng=True)), None, None, _set_atari


def _new(kind: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    with ahead.taking():
        return kind(*args, **kwargs)


def _set_atari(env: AtariEnv, state: tuple[Mapping[str, Any], ale_py.ALEState]) -> None:
    attributes, emulator = state
    vars(env).update(attributes)
    env.ale.restoreState(emulator)


def reduce_tape(tape: Tape) -> Reduction:
    """Save what a game was played with, and what it came to by that."""
    return bare, (type(tape),), (vars(tape), tape.state()), None, None, _set_tape


def _set_tape(tape: Tape, state: tuple[Mapping[str, Any], ale_py.ALEState]) -> None:
    attributes, emulator = state
    vars(tape).update(attributes)
    tape.play_again(emulator)
