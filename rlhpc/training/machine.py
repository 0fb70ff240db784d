"""The machine and the packages that a training is made with: a part of the seed, as another processor rounds otherwise."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rlhpc import __version__
from rlhpc.training import mps, places

PACKAGES = ("ale-py", "dm-control", "gymnasium", "mujoco", "numpy", "sb3-contrib", "shimmy", "stable-baselines3", "torch")
ROUNDING = ("type", "name", "cpu", "cpu_capability", "threads")  # what of a device decides the last bits


def versions() -> dict[str, str]:
    """Return the versions of Python and of every package that shapes an agent."""
    return {"rlhpc": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def device(kind: str) -> dict[str, Any]:
    """Describe the device that an agent trains on, ``cpu`` or ``cuda``, and the machine around it."""
    return {
        "type": kind,
        "name": torch.cuda.get_device_name() if kind == "cuda" else "",
        "cpu": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "visible_gpus": places.own_gpus() or "",
        "mps": kind == "cuda" and mps.PIPE_DIRECTORY in os.environ,
    }


def device_kind(wanted: str) -> str:
    """Return ``cpu`` or ``cuda`` for what a configuration asks for.

    Raises
    ------
    RuntimeError
        If it asks for a GPU that torch cannot use; SB3 would train on the CPU in silence.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device is cuda, but torch finds no GPU that it can use on this machine. Launch with device=cpu; or where there are"
            " some, on Slurm by packing.gpus_per_node. If nvidia-smi lists some here, torch does not fit their driver; in an"
            " Apptainer image, they are seen with --nv alone."
        ) from _why_no_gpu()
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def _why_no_gpu() -> Exception | None:
    """Return what torch says when it is to use a GPU: after a neighbour's fault, it may be MPS that takes no clients yet."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # torch's
    except (AssertionError, RuntimeError) as error:
        return error
    return None


def _cpu_model() -> str:
    """Return the processor's name as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None) or platform.processor()  # which starts a program
