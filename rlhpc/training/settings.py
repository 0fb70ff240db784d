"""How the trainings of a grid are carried out; without torch, so that a launch can say it at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlhpc.training.tracking import WandbConfig


@dataclass(frozen=True)
class TrainSettings:
    """How the trainings of a grid are carried out.

    Attributes
    ----------
    group : str
        Name of the grid.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    tensorboard : bool
        Write event files for TensorBoard into the training's folder.
    wandb : WandbConfig
    checkpoint_minutes : float
        Time between checkpoints; 0: at the beginning of every rollout.
    stop_seconds : float
        Time that trainings are given to save and leave when they are told to stop.
    mps : str
        How they share GPUs: ``auto``, ``on`` or ``off``, as in `rlhpc.training.gpu_sharing`.
    affinity : str
        How they share cores: ``any``, ``divide`` or a list of cores, as in `rlhpc.training.cores`.
    report_seconds : float
        Between two reports of how far a training is. All 760 trainings of the default grid then write 25 small files a second
        together, which a file server does not notice, and who looks sees nothing older than that.
    """

    group: str
    device: str = "auto"
    tensorboard: bool = True
    wandb: WandbConfig = field(default_factory=WandbConfig)
    checkpoint_minutes: float = 10.0
    stop_seconds: float = 60.0
    mps: str = "auto"
    affinity: str = "any"
    report_seconds: float = 30.0
