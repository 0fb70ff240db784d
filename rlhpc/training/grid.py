"""The grid: environments x algorithms x seeds, expanded into trainings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlhpc.errors import ConfigError
from rlhpc.records import CUSTOM_BENCHMARK, BenchmarkEnv, Training
from rlhpc.training.algos import RANDOM, Algo

LARGEST_SEED = 2**31 - 1  # Gymnasium and NumPy take no larger one on every platform


@dataclass(frozen=True)
class BudgetConfig:
    """How long agents train.

    Attributes
    ----------
    total_timesteps : int or None
        Agent steps over all parallel environments, for every training; None: the algorithm's own, else the benchmark's.
    custom_timesteps : int
        The same, for environments of no benchmark.
    per_env : bool
        Count the budget in each parallel environment, so that an agent makes ``n_envs`` times as many steps.
    """

    total_timesteps: int | None = None
    custom_timesteps: int = 100_000
    per_env: bool = False

    def faults(self) -> Iterator[str]:
        """Yield what is out of range."""
        for name in ("total_timesteps", "custom_timesteps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"budget.{name} = {value} must be at least 1 agent step."


@dataclass(frozen=True)
class EvaluationConfig:
    """How agents are evaluated.

    Attributes
    ----------
    n_episodes : int
        Episodes after the training; their mean is the score.
    """

    n_episodes: int = 10

    def faults(self) -> Iterator[str]:
        """Yield what is out of range."""
        if self.n_episodes < 1:
            yield f"evaluation.n_episodes = {self.n_episodes} must be at least 1."


@dataclass(frozen=True)
class GridConfig:
    """What to train.

    Attributes
    ----------
    benchmarks : tuple of str
        Names in configs/benchmarks, or paths of such files.
    envs : tuple of str or None
        Exactly these environments, each with the budget of its benchmark if it is in one; None: all of the benchmarks.
    algos : tuple of str
        Names in configs/algos, or paths of such files.
    seeds : tuple of int
    budget : BudgetConfig
    evaluation : EvaluationConfig
    hyperparameters : dict
        Algorithm -> block -> hyperparameter -> value, laid over the algorithms' files.
    """

    benchmarks: tuple[str, ...] = ()
    envs: tuple[str, ...] | None = None
    algos: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    hyperparameters: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """Yield what is empty, repeated or out of range."""
        for name in ("benchmarks", "envs", "algos", "seeds"):
            values = getattr(self, name) or ()
            nested = [value for value in values if isinstance(value, list | tuple | Mapping)]
            yield from (f"{name}: {value!r} is a list within the list; write single values." for value in nested)
            repeated = [str(value) for value, count in Counter(map(str, values)).items() if count > 1]
            if repeated:
                yield f"{name}: {', '.join(repeated)} given more than once."
        if not self.algos:
            yield "algos is empty: name at least one algorithm, such as algos=[ppo]."
        if self.envs == ():
            yield "envs is empty: name at least one environment, or null for all of the benchmarks."
        if not self.seeds:
            yield "seeds is empty: give at least one, such as seeds=[111]."
        if not self.benchmarks and self.envs is None:
            yield "nothing to train on: name benchmarks (benchmarks=[atari100k]) or environments (envs=[CartPole-v1])."
        for seed in self.seeds:
            if isinstance(seed, int) and not 0 <= seed <= LARGEST_SEED:
                yield f"seeds: {seed} must lie between 0 and {LARGEST_SEED}."
        yield from self.budget.faults()
        yield from self.evaluation.faults()


@dataclass(frozen=True)
class Grid:
    """An expanded grid.

    Attributes
    ----------
    trainings : tuple of Training
        In the order of environments, algorithms, seeds.
    incompatible : tuple of (str, str)
        Pairs of algorithm and environment that were left out, because the algorithm cannot act in the action space.
    """

    trainings: tuple[Training, ...]
    incompatible: tuple[tuple[str, str], ...]


def choose_envs(
    config: GridConfig, benchmark_envs: Sequence[BenchmarkEnv], action_space: Callable[[str], str]
) -> tuple[BenchmarkEnv, ...]:
    """Choose the environments of a grid.

    Parameters
    ----------
    config : GridConfig
    benchmark_envs : sequence of BenchmarkEnv
        Those of the configured benchmarks.
    action_space : callable
        Names the action space of an environment that is in none of them.
    """
    if config.envs is None:
        return tuple(benchmark_envs)
    listed = {env.env_id: env for env in reversed(benchmark_envs)}
    return tuple(
        listed.get(env_id) or BenchmarkEnv(CUSTOM_BENCHMARK, env_id, action_space(env_id), config.budget.custom_timesteps)
        for env_id in config.envs
    )


def expand(
    config: GridConfig,
    envs: Sequence[BenchmarkEnv],
    algos: Sequence[Algo],
    is_atari: Callable[[str], bool],
) -> Grid:
    """Expand a grid.

    Parameters
    ----------
    config : GridConfig
    envs : sequence of BenchmarkEnv
        The environments to train on.
    algos : sequence of Algo
    is_atari : callable
        Tells whether an environment's id is an Atari game.

    Raises
    ------
    ConfigError
        If an algorithm fits none of the environments, or an environment named in ``envs`` none of the algorithms.
    """
    pairs = [(env, algo) for env in envs for algo in algos]
    fitting = [(env, algo) for env, algo in pairs if algo.acts_in(env.action_space)]
    incompatible = tuple((algo.name, env.env_id) for env, algo in pairs if not algo.acts_in(env.action_space))
    _refuse_misfits(config, envs, algos, fitting)
    first, *_ = config.seeds
    resolved = [_training(config, env, algo, first, is_atari=is_atari(env.env_id)) for env, algo in fitting]
    return Grid(tuple(replace(each, seed=seed) for each in resolved for seed in config.seeds), incompatible)


def _refuse_misfits(
    config: GridConfig, envs: Sequence[BenchmarkEnv], algos: Sequence[Algo], fitting: Sequence[tuple[BenchmarkEnv, Algo]]
) -> None:
    """Refuse what was named and can take no part in the grid."""
    spaces = ", ".join(sorted({env.action_space for env in envs}))
    used_algos = {algo.name for _, algo in fitting}
    used_envs = {env.env_id for env, _ in fitting}
    faults = [
        f"algorithm '{algo.name}' ({algo.class_name}) can act in no environment of this grid; their action spaces: {spaces}."
        for algo in algos
        if algo.name not in used_algos
    ]
    faults += [
        f"environment '{env.env_id}' has a {env.action_space} action space, in which none of the algorithms can act."
        for env in envs
        if config.envs is not None and env.env_id not in used_envs
    ]
    if faults:
        raise ConfigError(*faults)


def _training(config: GridConfig, env: BenchmarkEnv, algo: Algo, seed: int, *, is_atari: bool) -> Training:
    """Resolve one training."""
    hyperparameters = algo.hyperparameters(env.env_id, is_atari=is_atari)
    own_timesteps = _own_budget(algo, hyperparameters.pop("n_timesteps", None))
    return Training(
        benchmark=env.benchmark,
        env_id=env.env_id,
        algo=algo.name,
        seed=seed,
        action_space=env.action_space,
        total_timesteps=_budget(config.budget, env, algo, hyperparameters, own_timesteps),
        hyperparameters=hyperparameters,
        evaluation={"n_episodes": config.evaluation.n_episodes},
    )


def _own_budget(algo: Algo, n_timesteps: Any) -> int | None:
    """Check the budget that an algorithm's file gives; RL Zoo spells whole numbers as floats."""
    if n_timesteps is None:
        return None
    is_whole = isinstance(n_timesteps, int) or (isinstance(n_timesteps, float) and n_timesteps.is_integer())
    if not is_whole or n_timesteps < 1:
        raise ConfigError(
            f"algorithm '{algo.name}': n_timesteps = {n_timesteps!r} must be a whole number of agent steps, at least 1."
        )
    return int(n_timesteps)


def _budget(budget: BudgetConfig, env: BenchmarkEnv, algo: Algo, hyperparameters: Mapping[str, Any], own: int | None) -> int:
    """Count the agent steps of a training over all its parallel environments."""
    if algo.class_name == RANDOM:
        return 0
    if own is not None and budget.total_timesteps is None:
        return own  # a cap on agent steps as it is, such as that of PPO to convergence
    n_envs = hyperparameters.get("n_envs", 1) if budget.per_env else 1
    if type(n_envs) is not int or n_envs < 1:
        raise ConfigError(f"algorithm '{algo.name}': n_envs = {n_envs!r} must be a whole number, at least 1.")
    return (budget.total_timesteps or env.total_timesteps) * n_envs
