"""The expansion of a launch: its configuration -> the grid of its trainings, with every name and value looked up."""

from __future__ import annotations

from rlhpc.benchmarks import load_benchmarks
from rlhpc.errors import ConfigError
from rlhpc.records import CUSTOM_BENCHMARK
from rlhpc.training import grid, registry
from rlhpc.training.algos import load_algos, unknown_blocks
from rlhpc.training.hyperparameters import refuse_faults


def expand(config: grid.GridConfig) -> grid.Grid:
    """Expand a grid, and refuse unknown names and hyperparameters.

    Raises
    ------
    ConfigError
    """
    benchmark_envs = load_benchmarks(config.benchmarks)
    env_ids = config.envs or [env.env_id for env in benchmark_envs]
    unknown = registry.unknown_ids(env_ids)
    try:
        algos = load_algos(config.algos, config.hyperparameters)
        unknown += unknown_blocks(algos, registry.is_registered, env_ids)
    except ConfigError as error:
        raise ConfigError(*unknown, *error.faults) from error
    if unknown:
        raise ConfigError(*unknown)
    envs = grid.choose_envs(config, benchmark_envs, registry.action_space)
    expanded = grid.expand(config, envs, algos, registry.is_atari)
    refuse_faults(expanded.trainings)
    return expanded


def namesakes(expanded: grid.Grid) -> list[dict[str, str]]:
    """Find Atari environments of no benchmark whose game is in a shipped one, as another environment; perhaps that was meant.

    Returns
    -------
    list of dict
        ``env_id``, and ``other`` of ``benchmark``.
    """
    custom = {each.env_id for each in expanded.trainings if each.benchmark == CUSTOM_BENCHMARK}
    games = {env_id: game for env_id in sorted(custom) if (game := registry.game(env_id))}
    shipped = {registry.game(env.env_id): env for env in load_benchmarks()} if games else {}
    return [
        {"env_id": env_id, "other": shipped[game].env_id, "benchmark": shipped[game].benchmark}
        for env_id, game in games.items()
        if game in shipped
    ]
