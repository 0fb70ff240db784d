"""Tuning: how much a machine gives to more and more trainings at once, measured on the grid's own mix of them."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import psutil

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Training
from rlhpc.training import footprint
from rlhpc.training.algos import RANDOM
from rlhpc.training.estimate import Hours
from rlhpc.training.measurement import Sample, free_gb, measure
from rlhpc.training.settings import TrainSettings

KNEE = 0.95  # of the most steps per second: what more trainings add beyond this is not worth their memory
N_CHOSEN = 8  # trainings that stand for a grid; each stands for an eighth of its time
SECONDS_AT_LEAST = 10.0  # of one sample: some rollouts of each training
_SECONDS_BESIDE = 10.0  # of one sample: until all have started and made a first report, and until they have ended
_ENDLESS = 10**9  # agent steps
# Rollouts of at most so many steps: whole ones, with the updates that follow, fit into a sample, and a step costs the same.
_MAX_N_STEPS = 128
_MAX_LEARNING_STARTS = 200  # an off-policy agent learns from here on

Kind = tuple[str, str, str]  # benchmark, environment, algorithm


@dataclass(frozen=True)
class Measured:
    """What a number of trainings at once come to.

    Attributes
    ----------
    trainings_per_gpu : int
        On each GPU; without one, on all cores.
    mps : bool
    steps_per_second : float
        Agent steps of all trainings together, in the proportions of `Scale`.
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


def choose(trainings: Sequence[Training], hours: Hours) -> tuple[Training, ...]:
    """Choose trainings that stand for a grid: of each kind as many as it takes of the grid's time.

    Parameters
    ----------
    trainings : sequence of Training
        Of the grid; the random agent's do not count.
    hours : callable
        How long a training takes.

    Returns
    -------
    tuple of Training, length `N_CHOSEN`
        Endless, with short rollouts and without evaluations; the same one several times where few kinds take all the time.

    Raises
    ------
    InputError
        If none of them learns.
    """
    learning = sorted(
        (training for training in trainings if training.hyperparameters["class"] != RANDOM),
        key=lambda training: (training.benchmark, training.algo, training.env_id),
    )
    if not learning:
        raise InputError("the grid has no training that learns: there is nothing to measure. Give algos that learn.")
    until = list(itertools.accumulate(map(hours, learning)))
    wanted = [(place + 0.5) / N_CHOSEN * until[-1] for place in range(N_CHOSEN)]
    chosen = [next(each for each, end in zip(learning, until, strict=True) if end >= point) for point in wanted]
    return tuple(
        replace(training, total_timesteps=_ENDLESS, hyperparameters=_shortened(training.hyperparameters)) for training in chosen
    )


def _shortened(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten what happens before an agent learns, and leave out evaluations."""
    shortened = {name: value for name, value in hyperparameters.items() if name != "convergence"}
    for name, most in (("n_steps", _MAX_N_STEPS), ("learning_starts", _MAX_LEARNING_STARTS)):
        if isinstance(value := shortened.get(name), int):
            shortened[name] = min(value, most)
    return shortened


def groups(chosen: Sequence[Training], n: int) -> list[tuple[Training, ...]]:
    """Divide what stands for a grid into groups of n at once, each as mixed as can be, which have all kinds together.

    Parameters
    ----------
    chosen : sequence of Training
        From `choose`.
    n : int
        Where there are more places than trainings, some are taken several times.

    Returns
    -------
    list of tuple of Training, length n
        Each training of a seed of its own. A group of the same kinds as another is left out.
    """
    n_groups = -(-len(chosen) // n)
    found: dict[frozenset[tuple[Kind, int]], tuple[Training, ...]] = {}
    for first in range(n_groups):
        group = [chosen[(first + n_groups * place) % len(chosen)] for place in range(n)]
        kinds = frozenset(Counter(map(_kind, group)).items())
        found.setdefault(kinds, tuple(replace(training, seed=seed) for seed, training in enumerate(group)))
    return list(found.values())


def _kind(training: Training) -> Kind:
    return training.benchmark, training.env_id, training.algo


class Scale:
    """Adds up agent steps of trainings that differ in speed so that every number of them at once is weighed alike.

    A step of one kind may cost ten times one of another, so the steps of different mixes cannot be compared. Here each kind makes
    the same part of all steps, however many are at once: the part that it makes where it is given its share of the time, at the
    speeds that were measured first. The figure is the steps per second at which a grid of these parts is carried out.

    Parameters
    ----------
    chosen : sequence of Training
        From `choose`.
    """

    def __init__(self, chosen: Sequence[Training]) -> None:
        self._kinds = list(map(_kind, chosen))
        self._parts: list[float] = []  # agent steps of each

    def steps_per_second(self, samples: Sequence[Sample], n: int) -> float:
        """Return the agent steps per second of n trainings at once.

        Parameters
        ----------
        samples : sequence of Sample
            In which every kind is seen.
        n : int
        """
        seen: dict[Kind, list[float]] = defaultdict(list)
        for sample in samples:
            for training, rate in zip(sample.trainings, sample.rates, strict=True):
                seen[_kind(training)].append(rate)
        rates = [fmean(seen[kind]) for kind in self._kinds]
        self._parts = self._parts or rates
        return n * sum(self._parts) / sum(part / rate for part, rate in zip(self._parts, rates, strict=True))


class Tuner:
    """Measures numbers of trainings at once.

    Parameters
    ----------
    trainings : sequence of Training
        Of the grid.
    gpus : sequence of str
    settings : TrainSettings
    seconds : float
        Of each number; divided among its `groups`, of which each takes `SECONDS_AT_LEAST`, if so many are given.
    hours : callable
        How long a training takes.

    Attributes
    ----------
    chosen : tuple of Training
        What stands for the grid.

    Raises
    ------
    InputError
        If none of the trainings learns.
    """

    def __init__(
        self, trainings: Sequence[Training], gpus: Sequence[str], settings: TrainSettings, seconds: float, hours: Hours
    ) -> None:
        self.chosen = choose(trainings, hours)
        self._trainings = trainings
        self._gpus = gpus
        self._settings = settings
        self._seconds = seconds
        self._scale = Scale(self.chosen)

    def mix(self) -> dict[Kind, int]:
        """Return how many of `chosen` are of each kind."""
        return dict(Counter(map(_kind, self.chosen)))

    def measure(self, n: int, mode: str) -> Measured:
        """Measure n trainings on each GPU, without one on all cores, in a mode of MPS.

        Raises
        ------
        RlhpcError
            If one of them fails, or they do not begin to learn.
        """
        settings = replace(self._settings, mps=mode)
        parts, seconds = self._divided(n)
        samples = [measure(part, self._gpus, n, settings, seconds) for part in parts]
        return Measured(
            n,
            mode == "on",
            self._scale.steps_per_second(samples, self._at_once(n)),
            # replay buffers take memory as they fill, and in these seconds they hardly begin to
            max(each.memory_gb for each in samples) + self.buffers_gb(n),
            max(each.gpu_memory_gb for each in samples),
        )

    def buffers_gb(self, n: int) -> float:
        """Return what full replay buffers of a number take, gigabytes."""
        return footprint.buffers_gb(self._trainings, self._at_once(n))

    def seconds(self, n: int) -> float:
        """Return how long a number takes to measure, about."""
        parts, seconds = self._divided(n)
        return len(parts) * (seconds + _SECONDS_BESIDE)

    def _at_once(self, n: int) -> int:
        return n * max(len(self._gpus), 1)

    def _divided(self, n: int) -> tuple[list[tuple[Training, ...]], float]:
        """Return the groups of a number, and the seconds of each."""
        parts = groups(self.chosen, self._at_once(n))
        return parts, max(self._seconds / len(parts), min(self._seconds, SECONDS_AT_LEAST))


@dataclass(frozen=True)
class Room:
    """The memory that trainings may take, gigabytes.

    Attributes
    ----------
    host_gb : float
    gpu_gb : float
        Of each GPU; infinite without one, or where nvidia-smi does not tell.
    buffers_gb : callable
        What of the host's memory full replay buffers take, by the number of trainings on each GPU.
    """

    host_gb: float
    gpu_gb: float = math.inf
    buffers_gb: Callable[[int], float] = lambda _: 0.0

    @classmethod
    def here(cls, gpus: Sequence[str], buffers_gb: Callable[[int], float]) -> Room:
        """Return what is free now."""
        return cls(psutil.virtual_memory().available / 1e9, min(free_gb(gpus), default=math.inf), buffers_gb)

    def fault(self, n: int, found: Measured) -> str:
        """Say why a number of trainings on each GPU would not fit, by what another number took; empty if it would."""
        for free, expected, what in (
            (self.host_gb, functools.partial(self._host_gb, found), "GB"),
            (self.gpu_gb, lambda n: found.gpu_memory_gb / found.trainings_per_gpu * n, "GB of a GPU"),
        ):
            if expected(n) > free:
                fit = next(each for each in range(n - 1, -1, -1) if expected(each) <= free)
                return f"{n} at once would take about {expected(n):.1f} {what}, and {free:.1f} are free: {fit} fit."
        return ""

    def _host_gb(self, found: Measured, n: int) -> float:
        """Return what a number would take: buffers are those of the largest, all else is in proportion."""
        rest = found.memory_gb - self.buffers_gb(found.trainings_per_gpu)
        return rest / found.trainings_per_gpu * n + self.buffers_gb(n)


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
