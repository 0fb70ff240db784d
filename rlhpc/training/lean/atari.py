"""Atari games without wrappers: what `make_atari_env`, `VecFrameStack` and `VecTransposeImage` of SB3 come to.

An action lasts 4 frames, of which an agent sees the last two, laid over each other, in grey and 84 x 84; a lost life ends its
episode; rewards are clipped to their sign; a game begins with 1 to 30 frames of doing nothing, and FIRE where there is one.
Scores are of whole games, and true.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import gymnasium
import numpy as np
from ale_py.env import AtariEnv
from gymnasium.spaces import Box
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhpc.training.atari import Tape
from rlhpc.training.lean import ahead
from rlhpc.training.lean.screen import SIZE, Frame, Screen
from rlhpc.training.lean.vec import Episode, LeanVecEnv

SKIP = 4  # frames an action
MAX_NOOPS = 30
_NOOP = 0
_TO_START = (1, 2)  # FIRE, and what comes behind it
_PACKED = 4  # channels of a byte that are shifted as one number


def fits(env: gymnasium.Env[Any, Any]) -> TypeGuard[AtariEnv]:
    """Tell whether a bare environment is a game that is played here: of RGB screens, by one of some actions a frame."""
    return (
        type(env) is AtariEnv
        and env._obs_type == "rgb"  # noqa: SLF001  # not told otherwise
        and env._frameskip == 1  # noqa: SLF001  # not told otherwise
        and not env.continuous
        and not env.sound_obs
    )


@contextlib.contextmanager
def loaded_with(seed: int) -> Iterator[None]:
    """Have a game that is made in it loaded with the seed of its first reset, which need not load it again: that takes 80 ms.

    One that was loaded ahead is not loaded at all.
    """
    seed_game = AtariEnv.seed_game

    def seed_all(self: AtariEnv, given: int | None = None) -> tuple[int, int]:
        return seed_game(self, seed if given is None else given)

    AtariEnv.seed_game = seed_all  # type: ignore[method-assign, assignment]  # on purpose
    try:
        with ahead.taking():
            yield
    finally:
        AtariEnv.seed_game = seed_game  # type: ignore[method-assign]  # as it was


class Game:
    """One game, from an agent's start to its end, which may be a lost life.

    Parameters
    ----------
    env : AtariEnv
        That `fits`.
    loaded_with : int
        The seed that it is loaded with.
    """

    _loaded_with: int | None = None  # as soon as it is used; and of a game that was saved before there was such a thing

    def __init__(self, env: AtariEnv, loaded_with: int) -> None:
        self._env = env
        self._loaded_with = loaded_with
        self._tape = Tape(env)
        self._episode = Episode()
        meanings = env.get_action_meanings()
        self._has_fire = "FIRE" in meanings
        self._lives = 0
        self._is_over = True  # not only a life
        self._screen = Screen(env)

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes; what is loaded again is loaded with another seed."""
        return {**vars(self), "_loaded_with": None}

    def step(self, action: int) -> tuple[Frame, float, bool, dict[str, Any]]:
        """Act for 4 frames.

        Returns
        -------
        frame : array of shape (84, 84)
        reward : float
            Unclipped.
        done : bool
            Whether the game is over or a life lost.
        info : dict
            ``TimeLimit.truncated``, ``episode`` at the end of a game, and what ale-py tells.
        """
        reward, terminated, truncated = self._act_and_count_lives(action)
        info = self._info()
        if self._is_over:
            info["episode"] = self._episode.summary()
        info["TimeLimit.truncated"] = truncated and not terminated
        return self._screen.last_two(), reward, terminated or truncated, info

    def reset(self, seed: int | None = None) -> tuple[Frame, dict[str, Any]]:
        """Begin where an agent begins: a new game, or the next life; return the frame, and what ale-py tells."""
        frame = self._next_life_or_game(seed)
        if not self._has_fire:
            return frame, self._info()
        for action in _TO_START:
            _, terminated, truncated = self._act_and_count_lives(action)
            frame = self._screen.last_two()
            if terminated or truncated:
                self._next_life_or_game(seed)
        return frame, {}

    def _act_and_count_lives(self, action: int) -> tuple[float, bool, bool]:
        """Act for 4 frames; return the reward, whether the game or a life has ended, and whether it was cut."""
        reward, terminated, truncated = self._act(action)
        self._is_over = terminated or truncated
        lives = self._env.ale.lives()
        has_lost_one = 0 < lives < self._lives  # in Q*bert there are none for some frames before it is over
        self._lives = lives
        return reward, terminated or has_lost_one, truncated

    def _next_life_or_game(self, seed: int | None) -> Frame:
        """Begin a game, or go on behind a lost life; return what an agent sees."""
        is_new = self._is_over
        if not is_new:
            _, terminated, truncated = self._act(_NOOP)
            is_new = terminated or truncated
        frame = self._new_game(seed) if is_new else self._screen.last_two()
        self._lives = self._env.ale.lives()
        return frame

    def _new_game(self, seed: int | None) -> Frame:
        """Begin a game, and do nothing for some frames; return what an agent sees."""
        self._restart(seed)
        for _ in range(self._env.np_random.integers(1, MAX_NOOPS + 1)):
            _, terminated, truncated = self._act(_NOOP, 1)
            if terminated or truncated:
                self._restart(seed)
        return self._screen.now()

    def _restart(self, seed: int | None) -> None:
        self._episode.begin()
        is_loaded, self._loaded_with = self._loaded_with is not None and seed == self._loaded_with, None
        self._tape.wind_back({} if is_loaded else {"seed": seed})  # by the state before, of which the seed is a part
        if is_loaded:
            vars(self._env)["load_game"] = lambda: None
        self._env.reset(seed=seed)
        vars(self._env).pop("load_game", None)

    def _act(self, action: int, n_frames: int = SKIP) -> tuple[float, bool, bool]:
        """Act for some frames, or until the game is over; return the reward, and whether it is over or was cut."""
        ale, code = self._env.ale, self._env._action_set[action]  # noqa: SLF001  # as its own `step` does
        total = 0.0
        terminated = truncated = False
        for frame in range(n_frames):
            reward = float(ale.act(code, 1.0))
            self._tape.note(action)
            self._episode.add(reward)
            total += reward
            terminated, truncated = ale.game_over(with_truncation=False), ale.game_truncated()
            if frame >= SKIP - 2:
                self._screen.keep(frame - SKIP)
            if terminated or truncated:
                break
        return total, terminated, truncated

    def _info(self) -> dict[str, Any]:
        return dict(self._env._get_info())  # noqa: SLF001  # as its own `step` does


class LeanAtari(LeanVecEnv[AtariEnv]):
    """Atari games side by side.

    Parameters
    ----------
    envs : sequence of AtariEnv
        That `fits`.
    seed : int
        Game i is loaded with ``seed + i``.
    n_stack : int
        Frames that an observation holds.
    """

    def __init__(self, envs: Sequence[AtariEnv], seed: int, n_stack: int) -> None:
        super().__init__(envs, Box(0, 255, (n_stack, SIZE, SIZE), np.uint8))
        self._games = [Game(env, seed + place) for place, env in enumerate(envs)]
        # Channels lie side by side in memory, as in SB3's: a transposed view of this is what agents get, and the sums that a
        # convolution makes of one are not to the bit those that it makes of a copy in another order.
        self._stacks = np.zeros((len(envs), SIZE, SIZE, n_stack), np.uint8)

    def reset(self) -> Frame:
        """Begin all games; return the observations, of shape (n_envs, n_stack, 84, 84)."""
        self._stacks = np.zeros_like(self._stacks)
        for place, (game, seed) in enumerate(zip(self._games, self._seeds, strict=True)):
            self._stacks[place, ..., -1], self.reset_infos[place] = game.reset(seed)
        self._reset_seeds()
        self._reset_options()
        return _channels_first(self._stacks)

    def step_wait(self) -> VecEnvStepReturn:
        """Step all games; return observations, rewards, ends and infos, a game that has ended being begun again."""
        self._stacks = _shifted(self._stacks)
        rewards, dones = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, np.bool_)
        infos = []
        for place, (game, action) in enumerate(zip(self._games, self.actions.tolist(), strict=True)):
            frame, reward, dones[place], info = game.step(action)
            rewards[place] = np.sign(reward)
            stack = self._stacks[place]
            stack[..., -1] = frame
            if dones[place]:
                info["terminal_observation"] = stack.copy().transpose(2, 0, 1)
                stack[:] = 0
                stack[..., -1], self.reset_infos[place] = game.reset()
            infos.append(info)
        return _channels_first(self._stacks), rewards, dones, infos


def _channels_first(stacks: Frame) -> Frame:
    return stacks.transpose(0, 3, 1, 2)


def _shifted(stacks: Frame) -> Frame:
    """Return new stacks without the oldest frame; what is in the place of the newest is of no meaning."""
    if stacks.shape[-1] == _PACKED and sys.byteorder == "little":
        return (stacks.view(np.uint32) >> 8).view(np.uint8)  # 40 times as fast as byte by byte
    return np.roll(stacks, -1, axis=-1)
