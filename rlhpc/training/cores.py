"""Cores: which of a node's a training may run on, where they are divided among its trainings."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rlhpc.errors import InputError

ANY, DIVIDE = "any", "divide"
SYSTEM = Path("/sys")  # where Linux tells how cores, memory and devices lie to each other


def parse(spelled: str) -> frozenset[int]:
    """Return the cores that a list as Linux spells it names, such as ``0-3,8``.

    Raises
    ------
    ValueError
    """
    found: set[int] = set()
    for part in spelled.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not (last.isdecimal() and int(first) <= int(last) < int(first) + 2**16)):
            raise ValueError(f"'{part}' is neither a core nor a range of cores")
        found |= set(range(int(first), int(last if dash else first) + 1))
    return frozenset(found)


def spell(cores: Sequence[int] | frozenset[int]) -> str:
    """Spell a list of cores as Linux does; the opposite of `parse`."""
    ranges: list[list[int]] = []
    for core in sorted(cores):
        if ranges and core == ranges[-1][1] + 1:
            ranges[-1][1] = core
        else:
            ranges.append([core, core])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def fault(affinity: str) -> str:
    """Return what is wrong with how an affinity is spelled; empty if nothing is."""
    if affinity in {ANY, DIVIDE}:
        return ""
    try:
        parse(affinity)
    except ValueError as error:
        return f"packing.affinity = '{affinity}' must be {ANY}, {DIVIDE} or a list of cores such as 0-15,32-47 ({error})."
    return ""


def refuse(affinity: str) -> None:
    """Refuse cores that are not ours.

    Raises
    ------
    InputError
        With those that are.
    """
    if affinity in {ANY, DIVIDE}:
        return
    ours = os.sched_getaffinity(0)
    if strange := parse(affinity) - ours:
        raise InputError(
            f"packing.affinity = '{affinity}' names cores that are not ours: {spell(strange)}. This process may run on"
            f" {spell(frozenset(ours))} (of a Slurm job: what it was given); give some of these, or {DIVIDE} for all."
        )


def divide(gpus: Sequence[str | None], affinity: str, system: Path = SYSTEM) -> list[tuple[int, ...]]:
    """Divide cores among places.

    Each place gets whole physical cores that lie side by side, next to its GPU where there are enough. Where there are more
    places than cores, none gets one for itself: as trainings end, the others would not find the cores that become free.

    Parameters
    ----------
    gpus : sequence of str or None
        The GPU of each place.
    affinity : str
        ``any``: all places may run everywhere; ``divide``: the cores of this process are divided; else these, as `parse` reads
        them.
    system : Path
        Of `SYSTEM`.

    Returns
    -------
    list of tuple of int
        The cores of each place, as Linux numbers hardware threads; an empty tuple: everywhere.

    Raises
    ------
    InputError
        If these are not ours.
    """
    if affinity == ANY:
        return [()] * len(gpus)
    refuse(affinity)
    physical = _physical(frozenset(os.sched_getaffinity(0) if affinity == DIVIDE else parse(affinity)), system)
    beside = {gpu: _near(gpu, system) for gpu in set(gpus)}
    near = {gpu: tuple(core for core in physical if set(core) <= there) for gpu, there in beside.items()}
    n_places = Counter(near[gpu] for gpu in gpus)
    if not _is_fair(n_places, len(physical)):
        near, n_places = dict.fromkeys(near, tuple(physical)), Counter({tuple(physical): len(gpus)})
    shares = {cores: iter(_shares(cores, n)) for cores, n in n_places.items()}
    return [next(shares[near[gpu]]) for gpu in gpus]


def _is_fair(n_places: Mapping[tuple[tuple[int, ...], ...], int], n_physical: int) -> bool:
    """Tell whether the cores near the GPUs are enough for their places: one for each, or as many as if all were divided."""
    cores = [core for near in n_places for core in near]
    n_all = sum(n_places.values())
    return len(cores) == len(set(cores)) and all(len(near) >= min(n, n_physical * n / n_all) for near, n in n_places.items())


def _shares(physical: Sequence[tuple[int, ...]], n: int) -> list[tuple[int, ...]]:
    """Divide physical cores, each given by its hardware threads, into n shares; give all to each where there are fewer."""
    if n > len(physical):
        return [tuple(sorted(sum(physical, ())))] * n
    ends = [round(share * len(physical) / n) for share in range(n + 1)]
    return [tuple(sorted(sum(physical[first:last], ()))) for first, last in itertools.pairwise(ends)]


def _physical(cores: frozenset[int], system: Path) -> list[tuple[int, ...]]:
    """Group hardware threads by their physical core; those of one piece of memory (NUMA) side by side."""
    nodes = [_told(path) for path in sorted(system.glob("devices/system/node/node*/cpulist"))]
    siblings = [(_siblings(core, system) & cores) | {core} for core in cores]

    def place(group: tuple[int, ...]) -> tuple[int, int]:
        return next((number for number, node in enumerate(nodes) if group[0] in node), len(nodes)), group[0]

    return sorted({tuple(sorted(group)) for group in siblings}, key=place)


def _siblings(core: int, system: Path) -> frozenset[int]:
    """Return the hardware threads of the physical core that one belongs to."""
    return _told(system / f"devices/system/cpu/cpu{core}/topology/thread_siblings_list")


def _near(gpu: str | None, system: Path) -> frozenset[int]:
    """Return the cores that lie next to a GPU; none where nobody tells."""
    if gpu is None or shutil.which("nvidia-smi") is None:
        return frozenset()
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=pci.bus_id", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().lower()
    domain, _, rest = told.partition(":")  # of 8 digits, where Linux has 4
    return _told(system / f"bus/pci/devices/{domain[-4:]}:{rest}/local_cpulist")


def _told(path: Path) -> frozenset[int]:
    """Return the cores that a file of the kernel's lists; none where it does not."""
    try:
        return parse(path.read_text())
    except (OSError, ValueError):
        return frozenset()
