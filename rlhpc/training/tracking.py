"""Weights & Biases: one tracked run a training, online or offline. Imported where asked for, and nothing else needs it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rlhpc.files import digest
from rlhpc.records import Training

if TYPE_CHECKING:
    import wandb

LONGEST_TAG = 64  # characters; what wandb allows, as is the rest
LONGEST_PROJECT = 128
FORBIDDEN_IN_PROJECT = "/\\#?%:"
INIT_TIMEOUT_SECONDS = 60  # how long an online run waits for the server before it goes on offline


@dataclass(frozen=True)
class WandbConfig:
    """How trainings are tracked.

    Attributes
    ----------
    mode : str
        ``offline`` needs no network; the runs are sent later with the command that each result names.
    project : str
    entity : str or None
        User or team. Needed to know the links of offline runs before they are sent.
    group : str or None
        None: the name of the grid.
    tags : tuple of str
        Beside benchmark, environment and algorithm.
    """

    mode: Literal["disabled", "offline", "online"] = "disabled"
    project: str = "rlhpc"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        """Yield what Weights & Biases would refuse when the first training starts."""
        if not self.project:
            yield "wandb.project is empty: name the project that the runs go to."
        if len(self.project) > LONGEST_PROJECT or set(self.project) & set(FORBIDDEN_IN_PROJECT):
            forbidden = " ".join(FORBIDDEN_IN_PROJECT)
            yield f"wandb.project = '{self.project}' must have at most {LONGEST_PROJECT} characters, and none of {forbidden}"
        for tag in self.tags:
            if not 1 <= len(tag) <= LONGEST_TAG:
                yield f"wandb.tags: '{tag}' must have 1 to {LONGEST_TAG} characters."


def run_id(training: Training, group: str) -> str:
    """Return the id of a training's run: the same whenever it is started again, so that it continues the same run."""
    return digest([group, *training.key, training.total_timesteps, training.hyperparameters_hash])[:16]


class Tracker:
    """A training's run at Weights & Biases.

    Parameters
    ----------
    training : Training
    config : WandbConfig
        Its mode is not ``disabled``.
    group : str
        Name of the grid.
    folder : Path
        The training's folder; offline runs are kept in ``wandb/`` below it.
    """

    def __init__(self, training: Training, config: WandbConfig, group: str, folder: Path) -> None:
        import wandb  # noqa: PLC0415  # half a second, and not everybody has an account

        arguments: dict[str, Any] = {
            "id": run_id(training, group),
            "name": training.name,
            "project": config.project,
            "entity": config.entity,
            "group": config.group or group,
            "tags": [*(tag[-LONGEST_TAG:] for tag in (training.benchmark, training.env_id, training.algo)), *config.tags],
            "config": {
                "env_id": training.env_id,
                "algo": training.algo,
                "seed": training.seed,
                "total_timesteps": training.total_timesteps,
                **training.hyperparameters,
            },
            "dir": str(folder),
            "resume": "allow",
        }
        settings = wandb.Settings(silent=True, console="off", init_timeout=INIT_TIMEOUT_SECONDS)
        try:
            self._run: wandb.Run = wandb.init(mode=config.mode, settings=settings, **arguments)
        except wandb.errors.Error as error:
            if config.mode == "offline":
                raise
            # A score is worth more than a live plot: without network or key, go on offline; it can be sent later.
            print(f"Weights & Biases cannot be reached ({error}); this run goes on offline.")
            wandb.teardown()  # its service would refuse the id as in use
            self._run = wandb.init(mode="offline", settings=settings, **arguments)
        self._config = config

    def log(self, values: Mapping[str, float], timesteps: int) -> None:
        """Log values at a number of agent steps."""
        with self._without_harm():
            self._run.log(dict(values), step=timesteps)

    def finish(self, score: float | None, *, was_stopped: bool = False) -> None:
        """End the run; without a score, as failed, or as preempted if the training was stopped and is to be continued."""
        with self._without_harm():
            if score is not None:
                self._run.summary["score"] = score
            if was_stopped:
                self._run.mark_preempting()
            self._run.finish(exit_code=0 if score is not None else 1)

    @contextlib.contextmanager
    def _without_harm(self) -> Iterator[None]:
        """Go on where tracking breaks (its helper process may be killed): a score is worth more than its plot."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, the training is not to end by it
            print(f"Weights & Biases broke ({type(error).__name__}: {error}); this training goes on without it.")

    @property
    def record(self) -> dict[str, str | None]:
        """What a result says of the run: mode, run_id, url, sync_command."""
        settings, offline = self._run.settings, self._run.offline
        # an offline run knows its link only if it is told whose it will be
        known = not offline or self._config.entity or os.environ.get("WANDB_ENTITY")
        return {
            "mode": "offline" if offline else "online",
            "run_id": self._run.id,
            "url": settings.run_url if known else None,
            "sync_command": self._sync_command() if offline else None,
        }

    def _sync_command(self) -> str:
        """Return what sends all parts of the run, oldest first: each start of a training that was continued left its own.

        What is sent is added to what the server has. One command a part, because one for all ends at the first that cannot be
        read to its end, such as that of an attempt that was killed.
        """
        newest = Path(self._run.settings.sync_dir).resolve()
        parts = sorted(newest.parent.glob(f"offline-run-*-{self._run.id}"))  # named by the time of their start
        return "; ".join(shlex.join(["wandb", "sync", str(part)]) for part in parts)
