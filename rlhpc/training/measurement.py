"""Measurements: some trainings at once, looked at for some seconds behind the moment when all learn."""

from __future__ import annotations

import contextlib
import math
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from rlhpc.errors import RlhpcError
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.store import Store
from rlhpc.training import gpu_sharing, node
from rlhpc.training.places import memory_mib, places
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop
from rlhpc.training.tracking import WandbConfig

_SECONDS_TO_REPORT = 600.0
_MIB = 1 << 20
_POLL_SECONDS = 0.5
_REPORT_SECONDS = 1.0
_STOP_SECONDS = 5.0

_Report = tuple[float, int]  # when it was written, and agent steps until then


@dataclass(frozen=True)
class Sample:
    """What was seen of some trainings at once.

    Attributes
    ----------
    trainings : tuple of Training
    rates : tuple of float
        Agent steps per second of each.
    memory_gb : float
        Of the host, all processes together, pages that they share counted once; gigabytes.
    gpu_memory_gb : float
        Of the GPU of which they take the most, gigabytes; 0 without one, or where nvidia-smi does not tell.
    """

    trainings: tuple[Training, ...]
    rates: tuple[float, ...]
    memory_gb: float
    gpu_memory_gb: float = 0.0


def measure(
    trainings: Sequence[Training], gpus: Sequence[str], trainings_per_gpu: int, settings: TrainSettings, seconds: float
) -> Sample:
    """Carry out trainings for some seconds behind the moment when all learn.

    Parameters
    ----------
    trainings : sequence of Training
        Endless, as many as there are places.
    gpus : sequence of str
    trainings_per_gpu : int
    settings : TrainSettings
    seconds : float

    Raises
    ------
    RlhpcError
        If one of them fails, or they do not begin to learn.
    """
    settings = replace(settings, stop_seconds=_STOP_SECONDS, report_seconds=_REPORT_SECONDS, wandb=WandbConfig())
    free_before = free_gb(gpus)
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
    return Sample(tuple(trainings), tuple(watch.rates), watch.memory_gb, max([*taken, 0.0]))


class _Watch(threading.Thread):
    """Look at trainings while they are supervised, and end it when enough was seen; it is their listener, too."""

    def __init__(self, store: Store, trainings: Sequence[Training], gpus: Sequence[str], stop: Stop, seconds: float) -> None:
        super().__init__(daemon=True)
        self.fault = ""
        self.rates: list[float] = []  # agent steps per second of each
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
            begun = self._reports([(0.0, 0)] * len(self._trainings), 0.0)
            first = self._reports(begun, 0.0)  # of a moment when all had begun
            last = self._reports(first, self._seconds)
            self.rates = [(steps - before) / (at - began) for (began, before), (at, steps) in zip(first, last, strict=True)]
            self.memory_gb, self.free_gb = _memory_gb(), free_gb(self._gpus)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing was measured
            self.fault = self.fault or str(error) or repr(error)
        finally:
            self._stop_request.request(_STOP_SECONDS)

    def end(self) -> None:
        """Look no more, if it still does."""
        self._ended.set()
        self.join()

    def _reports(self, than: Sequence[_Report], seconds: float) -> list[_Report]:
        """Return a report of each training, once all have gone on for some seconds since an earlier one."""
        deadline = time.monotonic() + seconds + _SECONDS_TO_REPORT
        while not self.fault and not self._ended.is_set():
            told = [progress.read(self._store.folder(training)) for training in self._trainings]
            found = [(at, each.timesteps) if each else (0.0, 0) for each, at in (one or (None, 0.0) for one in told)]
            silent = [
                training.name
                for training, (at, steps), (before, steps_before) in zip(self._trainings, found, than, strict=True)
                if at <= before or at - before < seconds or steps <= steps_before
            ]
            if not silent:
                return found
            if time.monotonic() > deadline:
                raise RlhpcError(
                    f"{', '.join(silent)} did not go on within {seconds + _SECONDS_TO_REPORT:.0f} seconds: that is too many, or"
                    " a rollout takes longer than that. Give smaller --counts."
                )
            self._ended.wait(_POLL_SECONDS)
        raise RlhpcError("the trainings ended before they could be measured")

    def started(self, training: Training, attempt: int, timesteps: int) -> None:
        """Hear nothing new."""

    def stored(self, training: Training) -> None:
        """Hear of a result, which an endless training has none of."""

    def failed(self, training: Training, reason: str, *, will_retry: bool) -> None:  # noqa: ARG002  # a listener's
        """Take a failure for the answer that so many are too many."""
        self.fault = self.fault or f"{training.name} failed: {reason}"
        self._stop_request.request(_STOP_SECONDS)

    def said(self, training: Training, sentence: str) -> None:
        """Hear what belongs into a log."""

    def stopping(self, n_running: int, seconds: float) -> None:
        """Hear of the stop that we have asked for."""


def _memory_gb() -> float:
    """Return the memory of all processes below this one, gigabytes; a page that several share counts once."""
    n_bytes = 0
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            n_bytes += each.memory_full_info().pss
    return n_bytes / 1e9


def free_gb(gpus: Sequence[str]) -> list[float]:
    """Return the free memory of GPUs, gigabytes; infinite for one of which nvidia-smi does not tell."""
    told = [memory_mib(gpu, "free") for gpu in gpus]
    return [math.inf if mib is None else mib * _MIB / 1e9 for mib in told]
