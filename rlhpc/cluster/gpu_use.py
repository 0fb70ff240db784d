"""GPU use: whether torch, where trainings are to run, can use a GPU of a partition; a driver may be too old for it, a GPU too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from rlhpc.cluster import probe
from rlhpc.cluster.checks import GPU_OPTIONS
from rlhpc.cluster.image import PYTHON as IMAGE_PYTHON
from rlhpc.cluster.image import Image
from rlhpc.cluster.site import GPU, parse_gres
from rlhpc.errors import SlurmError

_MEMORY_GB = 6  # torch with all that it loads of CUDA takes 2 to 4
_TOLD, _FAILS = "rlhpc: ", "fails "
# A sum, as a torch that knows a driver may still have no code for the GPU.
_TRY = f"""\
try:
    import torch
    (torch.ones(2, device="cuda") + 1).sum().item()
    print({_TOLD!r} + torch.cuda.get_device_name(0))
except Exception as error:
    print({_TOLD!r} + {_FAILS!r} + " ".join(str(error).split()))
"""
# Tells of the node in any case, and why nothing could be tried, such as an image that it cannot run.
_AROUND = f"""\
echo "{_TOLD}${{SLURMD_NODENAME:-$(hostname)}}"
said=$("$@" 2>&1)
code=$?
test $code = 0 || echo "{_TOLD}{_FAILS}exit code $code, $(echo "$said" | tail -n 2 | tr '\\n' ' ')"
test $code != 0 || echo "$said"
"""


@dataclass(frozen=True)
class Tried:
    """What torch made of a GPU.

    Attributes
    ----------
    node : str
    gpu : str
        Its name; blank if it cannot be used.
    fault : str
        In torch's words; blank if it can.
    """

    node: str
    gpu: str = ""
    fault: str = ""


def try_gpu(partition: str | None, options: Mapping[str, object] | None = None, image: Image | None = None) -> Tried:
    """Have a node of a partition compute something on a GPU, by the Python that runs this, or that of an image.

    Parameters
    ----------
    partition : str or None
        None: the site's default.
    options : mapping, optional
        What the user gives to sbatch, without dashes, such as ``gres``.
    image : Image, optional
        That trainings run in.

    Raises
    ------
    SlurmError
        If no node could be asked at once.
    """
    inside = image.command((*IMAGE_PYTHON, "-c", _TRY), has_gpus=True) if image else (sys.executable, "-P", "-c", _TRY)
    words = ("sh", "-c", _AROUND, "sh", *inside)
    said = probe.run(words, partition, options, asked=[_one_gpu(options or {})], memory_gb=_MEMORY_GB)
    told = [line.removeprefix(_TOLD) for line in said.splitlines() if line.startswith(_TOLD)]
    if len(told) < 2:  # the node, and what was found
        raise SlurmError(f"the job that was to try it did not tell: {said.strip() or 'it said nothing'}.")
    node, found = told[0], told[-1]
    if found.startswith(_FAILS):
        return Tried(node, fault=found.removeprefix(_FAILS).strip(" .") or "torch did not say why")
    return Tried(node, gpu=found)


def _one_gpu(options: Mapping[str, object]) -> str:
    """Spell that one GPU is wanted, of the kind that the user asks for."""
    asked = [str(options[name]) for name in sorted(GPU_OPTIONS) if options.get(name)]
    spelled = str(options.get("gres") or f"{GPU}:{asked[0] if asked else 1}")
    wanted = next((each for each in parse_gres(spelled) if each.name == GPU), None)
    return f"--gres={GPU}:{wanted.kind}:1".replace("::", ":") if wanted else f"--gres={spelled}"
