"""What lean vector environments have in common: SB3's interface, and the scores of episodes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import Space
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

AnyEnv = gymnasium.Env[Any, Any]
EnvT = TypeVar("EnvT", bound=AnyEnv)


class Episode:
    """The score of an episode, as SB3's `Monitor` counts it."""

    def __init__(self) -> None:
        self._rewards: list[float] = []
        self._t_start = time.time()

    def begin(self) -> None:
        """Begin another one."""
        self._rewards = []

    def add(self, reward: float) -> None:
        """Count a step."""
        self._rewards.append(reward)

    def summary(self) -> dict[str, float]:
        """Return the return ``r``, the length ``l`` in steps, and the seconds ``t`` since the environment was made."""
        return {
            "r": round(sum(self._rewards), 6),
            "l": len(self._rewards),
            "t": round(time.time() - self._t_start, 6),
        }


class LeanVecEnv(VecEnv, Generic[EnvT]):
    """Environments that are stepped without their wrappers.

    Parameters
    ----------
    envs : sequence of gymnasium.Env
        At least one, bare. What is asked of environments (`get_attr`, `env_method`) is asked of these.
    observation_space : gymnasium.Space
    """

    def __init__(self, envs: Sequence[EnvT], observation_space: Space[Any]) -> None:
        self.envs = list(envs)
        self.actions: NDArray[Any] = np.empty(0)
        super().__init__(len(self.envs), observation_space, self.envs[0].action_space)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next step, of shape (n_envs, ...)."""
        self.actions = actions

    def close(self) -> None:
        """Close all."""
        for env in self.envs:
            env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return what each looks like."""
        return [env.render() for env in self.envs]  # type: ignore[misc]  # images, by the render mode

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of some."""
        return [getattr(self.envs[index], attr_name) for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of some."""
        for index in self._get_indices(indices):
            setattr(self.envs[index], attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of some."""
        return [getattr(self.envs[index], method_name)(*args, **kwargs) for index in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Tell that episodes are recorded as by a Monitor, and that there are no other wrappers."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]
