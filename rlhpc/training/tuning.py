"""Tuning: how much a machine gives to more and more trainings at once, measured on the grid's own mix of them."""

from __future__ import annotations

import contextlib
import itertools
import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.store import Store
from rlhpc.training import gpu_sharing, node
from rlhpc.training.algos import RANDOM
from rlhpc.training.estimate import Hours, prior_hours
from rlhpc.training.places import memory_mib, places
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop
from rlhpc.training.tracking import WandbConfig

KNEE = 0.95  # of the most steps per second: what more trainings add beyond this is not worth their memory
_ENDLESS = 10**9  # agent steps
# Rollouts of at most so many steps: whole ones, with the updates that follow, fit into a minute, and a step costs the same.
_MAX_N_STEPS = 128
_MAX_LEARNING_STARTS = 200  # an off-policy agent learns from here on
_SECONDS_TO_REPORT = 600.0
_MIB = 1 << 20
_POLL_SECONDS = 0.5
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Measured:
    """What a number of trainings at once come to.

    Attributes
    ----------
    trainings_per_gpu : int
        On each GPU; without one, on all cores.
    mps : bool
    steps_per_second : float
        Agent steps of all trainings together.
    memory_gb : float
        Of the host, all processes together, pages that they share counted once; gigabytes.
    gpu_memory_gb : float
        Of the GPU of which they take the most, gigabytes; 0 without one, or where nvidia-smi does not tell.
    """

    trainings_per_gpu: int
    mps: bool
    steps_per_second: float
    memory_gb: float
    gpu_memory_gb: float = 0.0


def mix(trainings: Sequence[Training], n: int, hours: Hours = prior_hours) -> tuple[Training, ...]:
    """Choose trainings that stand for a grid: of each kind as many as it takes of the grid's time.

    Parameters
    ----------
    trainings : sequence of Training
        Of the grid; the random agent's do not count.
    n : int
    hours : callable
        How long a training takes.

    Returns
    -------
    tuple of Training, length n
        Endless, each of a seed of its own, with short rollouts.
    """
    learning = sorted(
        (training for training in trainings if training.hyperparameters["class"] != RANDOM),
        key=lambda training: (training.benchmark, training.algo, training.env_id),
    )
    if not learning:
        raise InputError("the grid has no training that learns: there is nothing to measure. Give algos that learn.")
    until = list(itertools.accumulate(map(hours, learning)))
    wanted = [(place + 0.5) / n * until[-1] for place in range(n)]
    chosen = [next(each for each, end in zip(learning, until, strict=True) if end >= point) for point in wanted]
    return tuple(
        replace(training, seed=seed, total_timesteps=_ENDLESS, hyperparameters=_shortened(training.hyperparameters))
        for seed, training in enumerate(chosen)
    )


def _shortened(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten what happens before an agent learns, and leave out evaluations."""
    shortened = {name: value for name, value in hyperparameters.items() if name != "convergence"}
    for name, most in (("n_steps", _MAX_N_STEPS), ("learning_starts", _MAX_LEARNING_STARTS)):
        if isinstance(value := shortened.get(name), int):
            shortened[name] = min(value, most)
    return shortened


def measure(
    trainings: Sequence[Training], gpus: Sequence[str], trainings_per_gpu: int, settings: TrainSettings, seconds: float
) -> Measured:
    """Carry out trainings for some seconds behind the moment when all learn.

    Parameters
    ----------
    trainings : sequence of Training
        From `mix`, as many as there are places.
    gpus : sequence of str
    trainings_per_gpu : int
    settings : TrainSettings
    seconds : float

    Raises
    ------
    RlhpcError
        If one of them fails, or they do not begin to learn.
    """
    settings = replace(settings, stop_seconds=_STOP_SECONDS, wandb=WandbConfig())
    free_before = _free_gb(gpus)
    with (
        tempfile.TemporaryDirectory(prefix="rlhpc-tune-") as made,
        contextlib.closing(Stop()) as stop,
        gpu_sharing.share(settings.mps, gpus, trainings_per_gpu, lambda _: None) as sharing,
    ):
        store = Store(Path(made))
        watch = _Watch(store, trainings, gpus, stop, seconds)
        watch.start()
        try:
            free = places(gpus, trainings_per_gpu, settings.affinity)
            node.supervise(trainings, free, store, settings, watch, stop=stop, sharing=sharing)
        finally:
            watch.end()
    if watch.fault:
        raise RlhpcError(watch.fault)
    taken = [before - after for before, after in zip(free_before, watch.free_gb, strict=True) if before < math.inf]
    return Measured(trainings_per_gpu, settings.mps == "on", watch.steps_per_second, watch.memory_gb, max([*taken, 0.0]))


class _Watch(threading.Thread):
    """Look at trainings while they are supervised, and end it when enough was seen; it is their listener, too."""

    def __init__(self, store: Store, trainings: Sequence[Training], gpus: Sequence[str], stop: Stop, seconds: float) -> None:
        super().__init__(daemon=True)
        self.fault = ""
        self.steps_per_second = 0.0
        self.memory_gb = 0.0
        self.free_gb: list[float] = []  # of each GPU
        self._gpus = gpus
        self._store = store
        self._trainings = trainings
        self._stop_request = stop
        self._seconds = seconds
        self._ended = threading.Event()

    def run(self) -> None:
        """Wait until all learn, look twice, and have all stop."""
        try:
            first = self._reports(than=[(0.0, 0)] * len(self._trainings))
            self._ended.wait(self._seconds)
            last = self._reports(than=first)
            rates = [
                (steps - before) / max(at - began, _POLL_SECONDS)
                for (began, before), (at, steps) in zip(first, last, strict=True)
            ]
            self.steps_per_second, self.memory_gb, self.free_gb = sum(rates), _memory_gb(), _free_gb(self._gpus)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing was measured
            self.fault = self.fault or str(error) or repr(error)
        finally:
            self._stop_request.request(_STOP_SECONDS)

    def end(self) -> None:
        """Look no more, if it still does."""
        self._ended.set()
        self.join()

    def _reports(self, than: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
        """Return when each training reported and how many agent steps it had made, once all have made more than before."""
        deadline = time.monotonic() + _SECONDS_TO_REPORT
        while time.monotonic() < deadline and not self.fault and not self._ended.is_set():
            told = [progress.read(self._store.folder(training)) for training in self._trainings]
            found = [(at, each.timesteps) for each, at in filter(None, told)]
            if len(found) == len(told) and all(new[1] > old[1] for new, old in zip(found, than, strict=True)):
                return found
            self._ended.wait(_POLL_SECONDS)
        raise RlhpcError(f"not all trainings went on within {_SECONDS_TO_REPORT:.0f} seconds")

    def started(self, training: Training, attempt: int) -> None:
        """Hear nothing new."""

    def stored(self, training: Training) -> None:
        """Hear of a result, which an endless training has none of."""

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:  # noqa: ARG002  # a listener's
        """Take a failure for the answer that so many are too many."""
        self.fault = self.fault or f"{training.name} failed: {reason}"
        self._stop_request.request(_STOP_SECONDS)

    def said(self, training: Training, sentence: str) -> None:
        """Hear what belongs into a log."""


def _memory_gb() -> float:
    """Return the memory of all processes below this one, gigabytes; a page that several share counts once."""
    n_bytes = 0
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            n_bytes += each.memory_full_info().pss
    return n_bytes / 1e9


def _free_gb(gpus: Sequence[str]) -> list[float]:
    """Return the free memory of GPUs, gigabytes; infinite for one of which nvidia-smi does not tell."""
    told = [memory_mib(gpu, "free") for gpu in gpus]
    return [math.inf if mib is None else mib * _MIB / 1e9 for mib in told]


@dataclass(frozen=True)
class Room:
    """The memory that trainings may take, gigabytes.

    Attributes
    ----------
    host_gb : float
    gpu_gb : float
        Of each GPU; infinite without one, or where nvidia-smi does not tell.
    """

    host_gb: float
    gpu_gb: float = math.inf

    @classmethod
    def here(cls, gpus: Sequence[str]) -> Room:
        """Return what is free now."""
        return cls(psutil.virtual_memory().available / 1e9, min(_free_gb(gpus), default=math.inf))

    def fault(self, n: int, found: Measured) -> str:
        """Say why a number of trainings on each GPU would not fit, by what another number took; empty if it would."""
        taken = [(found.memory_gb, self.host_gb, "GB"), (found.gpu_memory_gb, self.gpu_gb, "GB of a GPU")]
        for took, free, what in taken:
            each = took / found.trainings_per_gpu
            if each * n > free:
                fit = int(free / each)
                return f"{n} at once would take about {each * n:.1f} {what}, and {free:.1f} are free: {fit} fit."
        return ""


def sweep(
    counts: Sequence[int], modes: Sequence[str], measure_one: Callable[[int, str], Measured], room: Room
) -> Iterator[Measured]:
    """Measure more and more trainings at once, each mode until the next number would not fit into memory.

    Parameters
    ----------
    counts : sequence of int
        Trainings per GPU, ascending.
    modes : sequence of str
        Of MPS: ``on``, ``off`` or ``auto``.
    measure_one : callable
        Count and mode -> what was measured.
    room : Room

    Raises
    ------
    RlhpcError
        If trainings fail, or so many more would not fit in any mode.
    """
    before: dict[str, Measured | None] = dict.fromkeys(modes)
    for n in counts:
        faults = {mode: room.fault(n, found) if found else "" for mode, found in before.items()}
        if all(faults.values()):
            raise RlhpcError(next(reversed(faults.values())))
        for mode in [mode for mode, fault in faults.items() if not fault]:
            before[mode] = found = measure_one(n, mode)
            yield found


def knee(found: Sequence[Measured]) -> Measured:
    """Return the smallest number of trainings at once that gives nearly as many steps per second as any; see `KNEE`."""
    most = max(each.steps_per_second for each in found)
    enough = [each for each in found if each.steps_per_second >= KNEE * most]
    return min(enough, key=lambda each: (each.trainings_per_gpu, -each.steps_per_second))
