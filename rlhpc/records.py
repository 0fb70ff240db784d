"""Records that one stage hands to the next: frozen, comparable, with a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlhpc.files import digest

CUSTOM_BENCHMARK = "custom"  # the benchmark of an environment that belongs to none


@dataclass(frozen=True)
class BenchmarkEnv:
    """One environment of a benchmark.

    Attributes
    ----------
    benchmark : str
        Name of its benchmark, such as ``atari100k``.
    env_id : str
        A registered Gymnasium id.
    action_space : str
        ``Discrete``, ``Continuous`` or another Gymnasium space.
    total_timesteps : int
        Budget in agent steps over all parallel environments.
    random_score, reference_score : float or None
        Mean episode score of the random agent and of the reference (normalised 0 and 100); None where unknown.
    random_source, reference_source : str
        Where the two scores come from.
    name : str
        Readable name, such as ``Ms Pacman``; tables made elsewhere may use it.
    """

    benchmark: str
    env_id: str
    action_space: str
    total_timesteps: int
    random_score: float | None = None
    reference_score: float | None = None
    random_source: str = ""
    reference_source: str = ""
    name: str = ""


@dataclass(frozen=True)
class Training:
    """One agent to train.

    Attributes
    ----------
    benchmark, env_id, algo, seed
        What identifies it within a grid.
    action_space : str
        As in `BenchmarkEnv`.
    total_timesteps : int
        Budget in agent steps over all parallel environments; 0 for the random agent.
    hyperparameters : mapping
        The resolved values: ``class`` (the name of the algorithm's class), ``n_envs``, constructor arguments, ...
    evaluation : mapping
        How the agent is evaluated: ``n_episodes``.
    """

    benchmark: str
    env_id: str
    algo: str
    seed: int
    action_space: str
    total_timesteps: int
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Identity within a grid: benchmark, environment, algorithm, seed."""
        return (self.benchmark, self.env_id, self.algo, self.seed)

    @property
    def name(self) -> str:
        """Identity as one readable string, such as ``atari100k/PongNoFrameskip-v4/ppo/111``."""
        return "/".join(map(str, self.key))

    @property
    def hyperparameters_hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of what shapes the agent, budget and seed apart."""
        return digest({"hyperparameters": dict(self.hyperparameters), "evaluation": dict(self.evaluation)})[:12]


@dataclass(frozen=True)
class Result:
    """The outcome of one training.

    Attributes
    ----------
    training : Training
    score : float
        Mean of `episode_scores`.
    episode_scores : tuple of float
        True, unclipped score of each evaluation episode after the training.
    timesteps : int
        Agent steps made, over all parallel environments.
    train_seconds, evaluation_seconds : float
        Wall-clock time of the two phases.
    started_at, finished_at : str
        ISO 8601, UTC.
    attempt : int
        1 for a training that succeeded at once.
    converged : bool or None
        For a training with a convergence rule, whether it stopped by the rule; None for others.
    device : mapping
        ``type``, ``name``, ``cpu``, ``threads``, ``host``.
    versions : mapping
        Package name -> version.
    container : mapping
        The image that it was made in: ``image`` (its path), ``sha256`` (blank where unknown), and what the image says of itself
        (``version`` of rlhpc, ``python``, ``packages``, ``source_sha256``, ``built_at``); empty on the host.
    wandb : mapping
        ``mode``, ``run_id``, ``url`` (None where unknown), ``sync_command`` (None unless offline).
    policy_sha256 : str
        Of the trained policy's parameters, in their order; blank for the random agent.
    resumes : tuple of mapping
        One for each time that the training was continued from a checkpoint: ``timesteps``, ``attempt``, ``at``, ``host`` and
        ``differs``, which names what sets the machine apart from the one before, and so may change the last bits.
    """

    training: Training
    score: float
    episode_scores: tuple[float, ...]
    timesteps: int
    train_seconds: float
    evaluation_seconds: float
    started_at: str
    finished_at: str
    attempt: int = 1
    converged: bool | None = None
    device: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    wandb: Mapping[str, str | None] = field(default_factory=dict)
    policy_sha256: str = ""
    resumes: tuple[Mapping[str, Any], ...] = ()
