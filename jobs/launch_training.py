"""Train every agent of a grid: leave out what is stored, plan, and carry out the rest.

examples:
  python jobs/launch_training.py --dry-run
      print the plan of the default grid (760 trainings) and write nothing
  python jobs/launch_training.py --config configs/demo.yaml --cluster local
      train a small grid on this machine
  python jobs/launch_training.py --cluster local name=mine envs=[CartPole-v1] algos=[ppo,dqn] seeds=[1,2]
      any registered Gymnasium environment, with or without a benchmark

Results go to <logs_dir>/<name>/trainings/. Started again, it trains only what is not stored, and continues what was stopped or
killed from its last checkpoint. On SIGTERM, SIGUSR1, SIGUSR2 or Ctrl-C every training saves and leaves; a second one kills (130).
Exit codes: 0 all stored, 1 a training failed (the summary names it) or nothing can be written any more, 2 the command line or
configuration is wrong, 75 not finished (stopped, or in the hands of another launch): start again to continue.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlhpc import __version__, command
from rlhpc.benchmarks import load_benchmarks
from rlhpc.config import CONFIGS, load, to_yaml
from rlhpc.errors import ConfigError, InputError
from rlhpc.files import writable_folder, write_text
from rlhpc.results import ledger
from rlhpc.results.store import Store
from rlhpc.training import grid, launch_text, local, node, outcome, plan, registry, stop
from rlhpc.training.algos import load_algos, unknown_blocks
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig

DEFAULTS = CONFIGS / "launch_training.yaml"


@dataclass(frozen=True)
class LaunchConfig(grid.GridConfig):
    """Everything this job can be told; the keys of configs/launch_training.yaml."""

    name: str = "default"
    logs_dir: str = "logs"
    packing: plan.PackingConfig = field(default_factory=plan.PackingConfig)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tensorboard: bool = True
    checkpoint_minutes: float = 10.0
    stop_seconds: float = 60.0
    wandb: WandbConfig = field(default_factory=WandbConfig)

    def __post_init__(self) -> None:
        """Refuse what is out of range, all at once."""
        found = [*self.faults(), *self.packing.faults(), *self.wandb.faults()]
        if not 0 <= self.checkpoint_minutes < float("inf"):
            found.append(f"checkpoint_minutes = {self.checkpoint_minutes} must be a number, 0 (at every rollout) or more.")
        if not 1 <= self.stop_seconds < float("inf"):
            found.append(f"stop_seconds = {self.stop_seconds} must be a number, at least 1.")
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            found.append(f"name = '{self.name}' must be a folder's name of letters, digits, '.', '_', '+' and '-'.")
        if found:
            raise ConfigError(*found)

    @property
    def store(self) -> Store:
        """The results of this grid."""
        return Store(Path(self.logs_dir) / self.name)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    command.add_config(built, DEFAULTS)
    built.add_argument("--cluster", choices=["auto", "slurm", "local"], default="auto", help="auto: Slurm where sbatch exists")
    built.add_argument("--partition", help="Slurm partition to submit to")
    built.add_argument("--gpus-per-node", type=int, metavar="N", help="GPUs of one array element")
    built.add_argument("--trainings-per-gpu", type=int, metavar="N", help="trainings at once on each GPU")
    built.add_argument("--max-nodes", type=int, metavar="N", help="at most this many array elements")
    built.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    return built


def main(args: argparse.Namespace) -> int:
    """Plan and launch."""
    config = load(LaunchConfig, [DEFAULTS, *args.config], [*args.overrides, *_flags_as_overrides(args)])
    expanded, store = _expand(config), config.store
    found = ledger.check(store, expanded.trainings)
    ledger.refuse_changed(found, store)
    cluster = _cluster(args)
    gpus = local.usable_gpus(config.device)
    if cluster == "local":
        nodes = local.pack_here(found.to_train, config.packing, gpus)
    else:
        nodes = plan.pack_array(found.to_train, config.packing)
    facts = {"name": config.name, "results": str(store.root), "cluster": cluster}
    facts |= launch_text.facts_of(expanded, found, nodes)
    if args.dry_run:
        command.answer(args, facts, launch_text.before(facts))
        return 0
    if not args.json:
        print(launch_text.before(facts))
    writable_folder(store.trainings)
    print(write_text(store.config, to_yaml(config)), file=command.notes(args))
    if kept := store.set_aside_grid():
        print(f"the damaged record of earlier launches was kept as {kept}; it is made anew of this grid alone", file=sys.stderr)
    print(store.write_grid(expanded.trainings), file=command.notes(args))
    for training, _ in found.damaged:
        if moved := store.set_aside(training):
            print(f"the damaged result was kept as {moved}", file=sys.stderr)
    for training in found.stored:
        node.tidy(store, training)
    done = local.carry_out(nodes, gpus, store, _settings(config, gpus))
    store.write_grid(expanded.trainings)  # once more: a launch that began at the same moment may have left them out
    summary = {**facts, **outcome.describe(done), "config": str(store.config), "trainings": str(store.trainings)}
    command.answer(args, summary, launch_text.after(done, store))
    if done.stopped or done.elsewhere:
        return stop.STOPPED
    return 1 if done.failed else 0


def _settings(config: LaunchConfig, gpus: Sequence[str]) -> TrainSettings:
    """Say how the trainings are carried out here."""
    return TrainSettings(
        group=config.name,
        device=local.device(config.device, gpus),
        tensorboard=config.tensorboard,
        wandb=config.wandb,
        checkpoint_minutes=config.checkpoint_minutes,
        stop_seconds=config.stop_seconds,
    )


def _flags_as_overrides(args: argparse.Namespace) -> list[str]:
    """Turn flags into the configuration keys they are short for."""
    flags = {"gpus_per_node": args.gpus_per_node, "trainings_per_gpu": args.trainings_per_gpu, "max_nodes": args.max_nodes}
    return [f"packing.{name}={value}" for name, value in flags.items() if value is not None]


def _expand(config: LaunchConfig) -> grid.Grid:
    """Expand the grid, and refuse unknown names and hyperparameters."""
    benchmark_envs = load_benchmarks(config.benchmarks)
    algos = load_algos(config.algos, config.hyperparameters)
    unknown = registry.unknown_ids(config.envs or [env.env_id for env in benchmark_envs])
    unknown += unknown_blocks(algos, config.hyperparameters, registry.is_registered)
    if unknown:
        raise ConfigError(*unknown)
    envs = grid.choose_envs(config, benchmark_envs, registry.action_space)
    expanded = grid.expand(config, envs, algos, registry.is_atari)

    from rlhpc.training.model import refuse_faults  # noqa: PLC0415  # torch takes seconds; most mistakes are found without it

    refuse_faults(expanded.trainings)
    return expanded


def _cluster(args: argparse.Namespace) -> str:
    """Decide where the trainings are carried out."""
    if args.dry_run and args.cluster == "auto":
        return "slurm"
    cluster = args.cluster if args.cluster != "auto" else ("slurm" if shutil.which("sbatch") else "local")
    if cluster == "local" and args.partition:
        why = "--cluster local trains on this machine" if args.cluster == "local" else "there is no sbatch on PATH"
        raise InputError(f"--partition needs Slurm, but {why}. Log in to a cluster, or use --cluster local without --partition.")
    if cluster == "slurm" and not args.dry_run:
        raise InputError(
            f"rlhpc {__version__} plans for Slurm (--dry-run) but does not submit yet. Inside an allocation, --cluster local"
            " trains on every GPU it sees: sbatch --gpus=2 --wrap 'python jobs/launch_training.py --cluster local'"
        )
    return cluster


if __name__ == "__main__":
    command.main(parser(), main)
