"""Places: how many trainings a node carries out at once, and on which GPU and which cores each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rlhpc.training import cores

NAME = "RLHPC_GPU"  # variable: the GPU of a training by the name that we know it by, where MPS numbers it otherwise


@dataclass(frozen=True)
class Place:
    """Where a training runs.

    Attributes
    ----------
    gpu : str or None
    cores : tuple of int
        As Linux numbers hardware threads; empty: wherever the kernel finds room.
    """

    gpu: str | None = None
    cores: tuple[int, ...] = ()


def visible_gpus() -> tuple[str, ...]:
    """Name the GPUs that this process may use, as CUDA_VISIBLE_DEVICES spells them; empty without any."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return tuple(name for name in listed.split(",") if name and name != "-1")
    if shutil.which("nvidia-smi") is None:
        return ()
    shown = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return tuple(str(index) for index, line in enumerate(shown.stdout.splitlines()) if line.startswith("GPU"))


def memory_mib(gpu: str, what: Literal["total", "free"] = "total") -> int | None:
    """Return how much memory a GPU has, or has free, MiB; None where nvidia-smi does not tell."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--id={gpu}", f"--query-gpu=memory.{what}", "--format=csv,noheader,nounits"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return int(told) if told.isdigit() else None


def own_gpus() -> str | None:
    """Name the GPUs of this process as its supervisor does; None where nobody said which."""
    return os.environ.get(NAME, os.environ.get("CUDA_VISIBLE_DEVICES"))


def places(gpus: Sequence[str], trainings_per_gpu: int, affinity: str = cores.ANY) -> list[Place]:
    """List the places of a node, in turn over the GPUs; without a GPU, one group of places.

    Raises
    ------
    InputError
        If the affinity, of `rlhpc.training.cores`, names cores that are not ours.
    """
    groups: Sequence[str | None] = gpus or [None]
    listed = [gpu for _ in range(trainings_per_gpu) for gpu in groups]
    return [Place(gpu, share) for gpu, share in zip(listed, cores.divide(listed, affinity), strict=True)]


class FreePlaces:
    """The places of a node that are free.

    Parameters
    ----------
    all_places : sequence of Place
        From `places`.
    """

    def __init__(self, all_places: Sequence[Place]) -> None:
        self._free = list(all_places)
        self._per_gpu = Counter(place.gpu for place in all_places)

    def __bool__(self) -> bool:
        """Tell whether any is free."""
        return bool(self._free)

    def take(self) -> list[Place]:
        """Take the next place; an empty list if none is free."""
        return [self._free.pop(0)] if self._free else []

    def take_gpu(self) -> list[Place]:
        """Take every place of a GPU that nobody uses; an empty list if there is none."""
        free = Counter(place.gpu for place in self._free)
        gpu = next((gpu for gpu, n_places in self._per_gpu.items() if free[gpu] == n_places), ...)
        taken = [place for place in self._free if place.gpu == gpu]
        self._free = [place for place in self._free if place.gpu != gpu]
        return taken

    def give_back(self, taken: Sequence[Place]) -> None:
        """Free places again."""
        self._free += taken

    def is_shared(self, gpu: str | None) -> bool:
        """Tell whether a GPU has more than one place."""
        return self._per_gpu[gpu] > 1
