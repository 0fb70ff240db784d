"""The learner: everything that an agent's training consists of, from its first step to its last; what a checkpoint holds."""

from __future__ import annotations

import copy
import hashlib
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, sync_envs_normalization

from rlhpc.records import Training
from rlhpc.training import updates
from rlhpc.training.curves import Curves, EpisodeRecorder, convergence
from rlhpc.training.envs import make_vec
from rlhpc.training.model import build
from rlhpc.training.saving import Saver

# Evaluation environments are seeded this far from the training's own, so that no agent is tested on the starts it learned.
EVALUATION_SEED_OFFSET = 1_000_000


@dataclass
class Learner:
    """An agent and all that trains it.

    Attributes
    ----------
    model : BaseAlgorithm
        With its environment, optimizer, buffers and schedules.
    evaluation_env : VecEnv or None
        None until the first evaluation.
    callbacks : list of BaseCallback
        That record, and decide about the end.
    curves : Curves
    started_at : str
        Of the first attempt; ISO 8601, UTC.
    train_seconds : float
        Over all attempts, without work that was lost and made again.
    learned : bool
        Whether only the evaluation is left.
    resumes : list of mapping
        As in `Result`.
    is_fast : bool
        Whether its updates may round otherwise than SB3's where that is faster.
    """

    model: BaseAlgorithm
    evaluation_env: VecEnv | None
    callbacks: list[BaseCallback]
    curves: Curves
    started_at: str
    train_seconds: float = 0.0
    learned: bool = False
    resumes: list[Mapping[str, Any]] = field(default_factory=list)
    is_fast: bool = False

    @property
    def timesteps(self) -> int:
        """Agent steps made, over all parallel environments."""
        return self.model.num_timesteps


def begin(training: Training, device: str, started_at: str) -> Learner:
    """Make a learner that has made no step yet.

    Parameters
    ----------
    training : Training
    device : str
        ``cpu`` or ``cuda``.
    started_at : str
    """
    hyperparameters = training.hyperparameters
    n_envs = int(hyperparameters.get("n_envs", 1))
    env = make_vec(training.env_id, hyperparameters, n_envs=n_envs, seed=training.seed, training=True)
    evaluation_env = None
    curves = Curves()
    callbacks: list[BaseCallback] = [EpisodeRecorder(curves)]
    if hyperparameters.get("convergence"):
        evaluation_env = _make_evaluation_env(training)
        callbacks.append(convergence(hyperparameters["convergence"], evaluation_env, curves, n_envs=n_envs))
    with warnings.catch_warnings():
        # SB3 advises against a GPU for small networks; packed on one, it is what the user asked for.
        warnings.filterwarnings("ignore", message="You are trying to run .* on the GPU")
        model = build(hyperparameters, env, seed=training.seed, device=device)
    return Learner(model, evaluation_env, callbacks, curves, started_at, is_fast=bool(hyperparameters.get("fast")))


def _make_evaluation_env(training: Training) -> VecEnv:
    """Make the environment that an agent is evaluated in."""
    seed = (training.seed + EVALUATION_SEED_OFFSET) % 2**31
    return make_vec(training.env_id, training.hyperparameters, n_envs=1, seed=seed, training=False)


def learn(learner: Learner, total_timesteps: int, saver: Saver, others: Sequence[BaseCallback]) -> None:
    """Train up to a number of agent steps, from wherever the learner is.

    Parameters
    ----------
    learner : Learner
        With a logger.
    total_timesteps : int
    saver : Saver
        Asked wherever a rollout begins: there `learn` of SB3 has no state of its own, so that a learner that is saved there and
        loaded again goes on to the same bits.
    others : sequence of BaseCallback
        That belong to this attempt, and are not saved.

    Raises
    ------
    Stopped
    """
    model = learner.model
    before, started = learner.train_seconds, time.monotonic()
    collect_rollouts = model.collect_rollouts  # type: ignore[attr-defined]  # every algorithm of SB3 has one of these

    def save_and_collect(*args: Any, **kwargs: Any) -> Any:
        learner.train_seconds = before + time.monotonic() - started
        saver.at_boundary(learner, may_be_long=_will_evaluate(learner))
        return collect_rollouts(*args, **kwargs)

    model.collect_rollouts = save_and_collect  # type: ignore[attr-defined]  # as above
    updates.trim(model)
    if learner.is_fast:
        updates.round_otherwise(model)
    callbacks = [_NoiseKeeper(model), *learner.callbacks, *others]
    model.learn(total_timesteps - model.num_timesteps, callback=callbacks, reset_num_timesteps=False)
    learner.train_seconds = before + time.monotonic() - started
    learner.learned = True
    saver.after_learning(learner)


def _will_evaluate(learner: Learner) -> bool:
    """Tell whether an agent is evaluated within the next rollout, which may take many times as long as the rollout itself."""
    n_steps = getattr(learner.model, "n_steps", 1)  # without it, an off-policy algorithm, of short rollouts
    return any(
        isinstance(callback, EvalCallback) and callback.n_calls % callback.eval_freq + n_steps >= callback.eval_freq
        for callback in learner.callbacks
    )


class _NoiseKeeper(BaseCallback):
    """Undo that `learn` resets the action noise, which for Ornstein-Uhlenbeck noise is a state."""

    def __init__(self, model: BaseAlgorithm) -> None:
        super().__init__()
        self._noise = copy.deepcopy(getattr(model, "action_noise", None)) if model.num_timesteps else None

    def _on_training_start(self) -> None:
        if self._noise is not None:
            self.model.action_noise = self._noise

    def _on_step(self) -> bool:
        return True


def evaluate(learner: Learner, training: Training, on_step: Callable[[], None] = lambda: None) -> tuple[float, ...]:
    """Play as many whole episodes with the deterministic policy as a training is evaluated by; call `on_step` at each step.

    Returns
    -------
    tuple of float, length n_episodes
        The Monitor's scores: true, unclipped, to 6 decimals.
    """
    if learner.evaluation_env is None:
        learner.evaluation_env = _make_evaluation_env(training)
    model, env, n_episodes = learner.model, learner.evaluation_env, int(training.evaluation["n_episodes"])
    training_env = model.get_env()
    if training_env is not None and model.get_vec_normalize_env() is not None:
        sync_envs_normalization(training_env, env)
    scores, _ = evaluate_policy(
        model, env, n_eval_episodes=n_episodes, deterministic=True, callback=lambda *_: on_step(), return_episode_rewards=True
    )
    return tuple(float(score) for score in scores)  # type: ignore[union-attr]  # a list, by return_episode_rewards


def policy_digest(learner: Learner) -> str:
    """Return the SHA-256 of the policy's parameters and their names, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in learner.model.policy.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def close(learner: Learner) -> None:
    """Close the logger and the environments."""
    learner.model.logger.close()
    for env in (learner.model.get_env(), learner.evaluation_env):
        if env is not None:
            env.close()
