"""The configuration of a launch: the keys of configs/launch_training.yaml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlhpc.cluster.array import SlurmConfig
from rlhpc.config import CONFIGS
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tensorboard: bool = True
    checkpoint_minutes: float = 10.0
    stop_seconds: float = 60.0
    wandb: WandbConfig = field(default_factory=WandbConfig)

    def __post_init__(self) -> None:
        """Refuse what is out of range, all at once."""
        found = [*self.faults(), *self.packing.faults(), *self.slurm.faults(), *self.wandb.faults()]
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

    def settings(self, device: str) -> TrainSettings:
        """Say how the trainings are carried out on a device."""
        return TrainSettings(
            group=self.name,
            device=device,
            tensorboard=self.tensorboard,
            wandb=self.wandb,
            checkpoint_minutes=self.checkpoint_minutes,
            stop_seconds=self.stop_seconds,
        )


def flags_as_overrides(**flags: object) -> Sequence[str]:
    """Turn flags, named like keys with ``__`` for the dot, into the ``key=value`` that they are short for."""
    return [f"{name.replace('__', '.')}={value}" for name, value in flags.items() if value is not None]
