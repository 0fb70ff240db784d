"""The load of a node on which trainings run: a small file for each supervisor, which renews it, and removes it when it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhpc.files import TEMPORARY_SUFFIX, write_json

NODES = "nodes"  # the folder of these files, below logs/<name>


@dataclass(frozen=True)
class GpuLoad:
    """How much of a GPU is used, by whomever.

    Attributes
    ----------
    busy_percent : float
        How much of the time something ran on it.
    memory_gb, memory_total_gb : float
        Used, and what there is; gigabytes.
    """

    busy_percent: float
    memory_gb: float
    memory_total_gb: float


@dataclass(frozen=True)
class NodeLoad:
    """How much of a node is used, by whomever; means of the last minutes.

    Attributes
    ----------
    host : str
    job : str
        As in `rlhpc.results.holder.Holder`.
    n_cores : int
        That its trainings may run on: hardware threads.
    cores_busy_percent : float
        How much of the time these did anything.
    gpus : mapping of str to GpuLoad
        Those that tell, as ``CUDA_VISIBLE_DEVICES`` of the supervisor names them.
    """

    host: str
    job: str
    n_cores: int
    cores_busy_percent: float
    gpus: Mapping[str, GpuLoad] = field(default_factory=dict)


def path(root: Path, host: str, job: str, pid: int) -> Path:
    """Return where a supervisor tells of its node, below the folder of a grid."""
    return root / NODES / f"{'-'.join(filter(None, (host, job, str(pid))))}.json"


def write(where: Path, load: NodeLoad) -> None:
    """Write the load of a node; not durably, since it is written again soon.

    Raises
    ------
    OSError
    """
    where.parent.mkdir(exist_ok=True)
    write_json(where, dataclasses.asdict(load), durable=False)


def remove(where: Path) -> None:
    """Remove what a supervisor told, and the folder with the last such file; what cannot be removed grows old."""
    with contextlib.suppress(OSError):
        where.unlink(missing_ok=True)
        where.parent.rmdir()


def read(root: Path, since: float) -> list[NodeLoad]:
    """Read the load of the nodes of a grid; what was not renewed since some time of the file system's clock is passed over."""
    found: list[NodeLoad] = []
    for each in sorted((root / NODES).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError), each.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mtime >= since:
                found.append(_parse(json.loads(stream.read())))
    return found


def remove_old(root: Path, before: float) -> None:
    """Remove what supervisors that were killed have left, by the clock of the file system."""
    for each in [*(root / NODES).glob("*.json"), *(root / NODES).glob(f".*{TEMPORARY_SUFFIX}")]:
        with contextlib.suppress(OSError):
            if each.stat().st_mtime < before:
                each.unlink()


def _parse(told: Any) -> NodeLoad:
    gpus = {str(name): GpuLoad(**{key: _finite(value) for key, value in each.items()}) for name, each in told["gpus"].items()}
    return NodeLoad(str(told["host"]), str(told["job"]), int(told["n_cores"]), _finite(told["cores_busy_percent"]), gpus)


def _finite(told: Any) -> float:
    if not math.isfinite(told):
        raise ValueError(f"{told} is no load")
    return float(told)
