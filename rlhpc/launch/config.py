"""The configuration of a launch: the keys of configs/launch_training.yaml."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlhpc import command
from rlhpc.cluster.array import SlurmConfig
from rlhpc.cluster.image import ContainerConfig
from rlhpc.config import CONFIGS, choices, load
from rlhpc.errors import ConfigError
from rlhpc.results.store import Store
from rlhpc.training import grid, plan
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig

DEFAULTS = CONFIGS / "launch_training.yaml"


@dataclass(frozen=True)
class LaunchConfig(grid.GridConfig):
    """Everything that a launch can be told; each key is explained in the file above."""

    name: str = "default"
    logs_dir: str = "logs"
    packing: plan.PackingConfig = field(default_factory=plan.PackingConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)
    container: ContainerConfig = field(default_factory=ContainerConfig)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tensorboard: bool = True
    checkpoint_minutes: float = 10.0
    stop_seconds: float = 60.0
    wandb: WandbConfig = field(default_factory=WandbConfig)

    def __post_init__(self) -> None:
        """Refuse what is out of range, all at once."""
        found = [*self.faults(), *self.packing.faults(), *self.slurm.faults(), *self.container.faults(), *self.wandb.faults()]
        if not 0 <= self.checkpoint_minutes < float("inf"):
            found.append(f"checkpoint_minutes = {self.checkpoint_minutes} must be a number, 0 (at every rollout) or more.")
        if not 1 <= self.stop_seconds < float("inf"):
            found.append(f"stop_seconds = {self.stop_seconds} must be a number, at least 1.")
        if self.device == "cuda" and self.packing.gpus_per_node == 0:
            found.append(
                "device = cuda needs GPUs, and packing.gpus_per_node = 0 asks for none. Give device=auto, or 1 or more GPUs."
            )
        if self.device == "cpu" and self.packing.mps == "on":
            found.append("packing.mps = on shares GPUs, and device = cpu uses none. Give packing.mps=auto, or device=auto.")
        if "$" in _expanded(self.logs_dir):
            found.append(f"logs_dir = '{self.logs_dir}' names a variable of the environment that is not set.")
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            found.append(f"name = '{self.name}' must be a folder's name of letters, digits, '.', '_', '+' and '-'.")
        if found:
            raise ConfigError(*found)

    @property
    def store(self) -> Store:
        """The results of this grid."""
        return Store(Path(_expanded(self.logs_dir)) / self.name)

    @property
    def planned_device(self) -> Literal["cpu", "cuda"]:
        """What the trainings of an array element run on."""
        return "cuda" if self.packing.gpus_per_node and self.device != "cpu" else "cpu"

    def settings(self, device: str) -> TrainSettings:
        """Say how the trainings are carried out on a device."""
        return TrainSettings(
            group=self.name,
            device=device,
            tensorboard=self.tensorboard,
            wandb=self.wandb,
            checkpoint_minutes=self.checkpoint_minutes,
            stop_seconds=self.stop_seconds,
            mps=self.packing.mps,
            affinity=self.packing.affinity,
        )


def _expanded(path: str) -> str:
    """Return a path with its ``~`` and ``$NAME`` replaced, as a shell does where it sees them."""
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111  # pathlib knows no variables


def _image(text: str) -> str:
    return str(command.path(text))


# Flag -> the key that it is short for, its type and its help.
_FLAGS: dict[str, tuple[str, Callable[[str], int | str], str]] = {
    "partition": ("slurm.partition", str, "Slurm partition"),
    "container": ("container.image", _image, "Apptainer image that trainings on Slurm run in"),
    "gpus_per_node": ("packing.gpus_per_node", int, "GPUs of one array element; 0: train on cores"),
    "trainings_per_gpu": ("packing.trainings_per_gpu", int, "trainings at once on each GPU"),
    "max_nodes": ("packing.max_nodes", int, "at most this many array elements"),
}


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``key=value`` and the flags that are short for some keys to the parser of a job."""
    command.add_config(built, DEFAULTS, lambda: choices(LaunchConfig))
    for name, (_, kind, words) in _FLAGS.items():
        built.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N" if kind is int else "NAME", help=words)


def read(args: argparse.Namespace) -> LaunchConfig:
    """Return the configuration that a command line means; flags go before all else.

    Raises
    ------
    ConfigError
        With every fault.
    """
    given = {key: getattr(args, name) for name, (key, *_) in _FLAGS.items()}
    flags = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]  # YAML: a name may be no word
    return load(LaunchConfig, [DEFAULTS, *args.config], [*args.overrides, *flags])
