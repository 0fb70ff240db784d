"""Verify exact resume: train straight, train again with kills in between, and compare every number."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Result, Training
from rlhpc.results.store import EVALUATIONS, LEARNING_CURVE, Store
from rlhpc.training import signature
from rlhpc.training.algos import CLASSES
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.child import OUTPUT_LOG
from rlhpc.training.model import load_class
from rlhpc.training.node import supervise
from rlhpc.training.places import places
from rlhpc.training.saving import CANNOT_BE_SAVED
from rlhpc.training.settings import TrainSettings

POINTS = (0.1, 0.8)  # of the budget, between which kills fall; a kill needs a rollout before it, and one behind
LONGEST_DELAY_SECONDS = 0.5  # between a checkpoint and the kill, which so falls anywhere in a rollout or an update
MINIMUM_TIMESTEPS = 3_000
_OFF_POLICY_MINUTES = 0.005  # between checkpoints; an off-policy algorithm could save at every step
_POLL_SECONDS = 0.005
_COMPARED = ("policy_sha256", "episode_scores", "score", "timesteps", "converged")


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes
    ----------
    differences : tuple of str
        Empty if both trainings came to the same bits; the first difference first.
    policy_sha256 : str
        Of the straight one.
    resumes : tuple of mapping
        Of the killed one, as in `Result`.
    """

    differences: tuple[str, ...]
    policy_sha256: str
    resumes: tuple[Mapping[str, Any], ...]


def enough_timesteps(hyperparameters: Mapping[str, Any], n_kills: int) -> int:
    """Return a budget with a rollout between all kills, and some updates."""
    owners = [each for each in load_class(str(hyperparameters["class"])).__mro__ if "__init__" in vars(each)]
    arguments: dict[str, inspect.Parameter] = {}
    for owner in reversed(owners):  # what one hands on as **kwargs, those before it take
        arguments |= inspect.signature(owner.__init__).parameters  # type: ignore[misc]  # the one that it defines itself

    def value(name: str) -> int:
        return int(hyperparameters.get(name, arguments[name].default if name in arguments else 0))

    n_envs = int(hyperparameters.get("n_envs", 1))
    rollout = n_envs * (1 if _is_off_policy(hyperparameters) else value("n_steps"))
    return max(MINIMUM_TIMESTEPS, rollout * 2 * (n_kills + 2)) + value("learning_starts")


def verify(training: Training, folder: Path, n_kills: int, device: str = "cpu") -> Verification:
    """Train straight and with kills, each attempt in a process of its own.

    Parameters
    ----------
    training : Training
        Its seed draws the kills too.
    folder : Path
        Receives both results, in ``straight`` and ``killed``.
    n_kills : int
        With SIGKILL, at random points; each attempt continues from the last checkpoint before.
    device : str

    Raises
    ------
    InputError
        If the training ends before the last kill.
    RlhpcError
        If a training fails, or cannot be saved.
    """
    minutes = _OFF_POLICY_MINUTES if _is_off_policy(training.hyperparameters) else 0.0
    settings = TrainSettings("verify", device, tensorboard=False, checkpoint_minutes=minutes)
    straight, killed = Store(folder / "straight"), Store(folder / "killed")
    random = np.random.default_rng(training.seed)
    points = sorted(int(training.total_timesteps * fraction) for fraction in random.uniform(*POINTS, n_kills))
    delays = random.uniform(0, LONGEST_DELAY_SECONDS, n_kills)
    first = _carry_out(training, straight, dataclasses.replace(settings, checkpoint_minutes=1e6), _Killer(straight, (), ()))
    second = _carry_out(training, killed, settings, _Killer(killed, points, delays.tolist()))
    if len(second.resumes) < n_kills:
        raise InputError(
            f"the training ended before the last of {n_kills} kills, after {len(second.resumes)} of them. Give more --timesteps"
            f" (now {training.total_timesteps:,}), so that a rollout begins between any two kills, or fewer --kills."
        )
    folders = straight.folder(training), killed.folder(training)
    return Verification(tuple(_differences(first, second, *folders)), first.policy_sha256, second.resumes)


def _is_off_policy(hyperparameters: Mapping[str, Any]) -> bool:
    return "buffer_size" in signature.arguments(CLASSES[str(hyperparameters["class"])])


def _carry_out(training: Training, store: Store, settings: TrainSettings, killer: _Killer) -> Result:
    outcome = supervise([training], places((), 1), store, settings, killer)
    if killer.unsavable:
        raise RlhpcError(f"{killer.unsavable} ({store.folder(training) / OUTPUT_LOG})")
    if outcome.failed:
        raise RlhpcError(f"{training.name}: {outcome.failed[0][1]}; see {store.folder(training)}")
    result = store.read(training)
    if result is None:
        raise RlhpcError(f"{training.name} was stopped before its end.")
    return result


class _Killer:
    """A listener that kills each attempt soon after its next checkpoint behind a point.

    Parameters
    ----------
    store : Store
    points : sequence of int
        Agent steps, rising.
    delays : sequence of float
        Seconds between the checkpoint and each kill.
    """

    def __init__(self, store: Store, points: Sequence[int], delays: Sequence[float]) -> None:
        self._store = store
        self._left = list(zip(points, delays, strict=True))
        self.unsavable = ""

    def started(self, training: Training, attempt: int, timesteps: int) -> None:  # noqa: ARG002  # a listener's
        """Prepare the next kill."""
        if self._left:
            (child,) = [child for child in multiprocessing.active_children() if child.name == training.name]
            threading.Thread(target=self._kill, args=(training, child.pid, *self._left.pop(0)), daemon=True).start()

    def _kill(self, training: Training, pid: int, point: int, delay: float) -> None:
        checkpoints = Checkpoints(self._store.folder(training))
        after = max(point, checkpoints.timesteps() + 1)
        while checkpoints.timesteps() < after and not self._store.has(training):
            time.sleep(_POLL_SECONDS)
        time.sleep(delay)
        if self._store.has(training):  # its number may be another's by now
            return
        with contextlib.suppress(ProcessLookupError):  # it ended first, which verify() tells from the number of resumes
            os.kill(pid, signal.SIGKILL)

    def stored(self, training: Training) -> None:
        """Hear that a result is stored."""

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:
        """Hear of the kill."""

    def said(self, training: Training, sentence: str) -> None:
        """Hear whether it can be saved at all."""
        if sentence.startswith(CANNOT_BE_SAVED):
            self.unsavable = f"{training.name}: {sentence}"

    def stopping(self, n_running: int, seconds: float) -> None:
        """Hear of a Ctrl-C."""


def _differences(first: Result, second: Result, *folders: Path) -> list[str]:
    """Name what differs between two results, in words."""
    found = [
        f"{name}: {getattr(first, name)} straight, {getattr(second, name)} with kills"
        for name in _COMPARED
        if getattr(first, name) != getattr(second, name)
    ]
    for name in (LEARNING_CURVE, EVALUATIONS):
        texts = [path.read_text() if (path := folder / name).exists() else "" for folder in folders]
        lines = itertools.zip_longest(*(text.splitlines() for text in texts), fillvalue="nothing")
        different = next(((number, one, other) for number, (one, other) in enumerate(lines, 1) if one != other), None)
        if different:
            found.insert(0, f"{name}, line {different[0]}: {different[1]} straight, {different[2]} with kills")
    return found
