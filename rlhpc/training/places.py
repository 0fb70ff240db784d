"""Places: how many trainings a node carries out at once, and on which GPU each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence

NAME = "RLHPC_GPU"  # variable: the GPU of a training by the name that we know it by, where MPS numbers it otherwise


def visible_gpus() -> tuple[str, ...]:
    """Name the GPUs that this process may use, as CUDA_VISIBLE_DEVICES spells them; empty without any."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return tuple(name for name in listed.split(",") if name and name != "-1")
    if shutil.which("nvidia-smi") is None:
        return ()
    shown = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return tuple(str(index) for index, line in enumerate(shown.stdout.splitlines()) if line.startswith("GPU"))


def memory_mib(gpu: str) -> int | None:
    """Return how much memory a GPU has, MiB; None where nvidia-smi does not tell."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return int(told) if told.isdigit() else None


def own_gpus() -> str | None:
    """Name the GPUs of this process as its supervisor does; None where nobody said which."""
    return os.environ.get(NAME, os.environ.get("CUDA_VISIBLE_DEVICES"))


def places(gpus: Sequence[str], trainings_per_gpu: int) -> list[str | None]:
    """List the places of a node, each with its GPU, in turn over the GPUs; without a GPU, one group of places."""
    groups: Sequence[str | None] = gpus or [None]
    return [gpu for _ in range(trainings_per_gpu) for gpu in groups]


class FreePlaces:
    """The places of a node that are free.

    Parameters
    ----------
    all_places : sequence of str or None
        From `places`.
    """

    def __init__(self, all_places: Sequence[str | None]) -> None:
        self._free = list(all_places)
        self._per_gpu = Counter(all_places)

    def __bool__(self) -> bool:
        """Tell whether any is free."""
        return bool(self._free)

    def take(self) -> list[str | None]:
        """Take the next place; an empty list if none is free."""
        return [self._free.pop(0)] if self._free else []

    def take_gpu(self) -> list[str | None]:
        """Take every place of a GPU that nobody uses; an empty list if there is none."""
        gpu = next((gpu for gpu, n_places in self._per_gpu.items() if self._free.count(gpu) == n_places), ...)
        if gpu is ...:
            return []
        self._free = [place for place in self._free if place != gpu]
        return [gpu] * self._per_gpu[gpu]

    def give_back(self, taken: Sequence[str | None]) -> None:
        """Free places again."""
        self._free += taken

    def is_shared(self, gpu: str | None) -> bool:
        """Tell whether a GPU has more than one place."""
        return self._per_gpu[gpu] > 1
