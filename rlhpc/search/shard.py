"""One shard of a search: what was found of every size within its ranges of ranks, and the file that holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc import __version__
from rlhpc.errors import IncompleteSearchError
from rlhpc.search.arrays import reading, write_arrays
from rlhpc.search.best import Found, find
from rlhpc.search.candidates import candidates
from rlhpc.search.combinations import shard_range
from rlhpc.search.compiled.tally import N_BINS
from rlhpc.search.problem import Problem, problem_hash
from rlhpc.search.settings import Settings

MAX_NAMED = 20  # names of shards that an error spells out


@dataclass(frozen=True, eq=False)
class Shard:
    """What one shard found, and what it must share with the others to be merged.

    Attributes
    ----------
    shard_index, n_shards : int
        ``0 <= shard_index < n_shards``.
    problem_hash : str
    settings : Settings
    version : str
        Of rlhpc.
    found : tuple of Found
        One for each of ``settings.sizes``.
    """

    shard_index: int
    n_shards: int
    problem_hash: str
    settings: Settings
    version: str
    found: tuple[Found, ...]

    @property
    def name(self) -> str:
        """Name of its file without the ending, such as ``0003-of-0016``."""
        return shard_name(self.shard_index, self.n_shards)

    @property
    def search(self) -> tuple[str, Settings, str]:
        """What it must share with all other shards of its search."""
        return self.problem_hash, self.settings, self.version


def shard_name(shard_index: int, n_shards: int) -> str:
    """Name a shard so that names sort by index."""
    return f"{shard_index:04d}-of-{n_shards:04d}"


def spell_names(names: Sequence[str]) -> str:
    """Spell names of shards for an error; many of them are counted."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"


def n_shard_subsets(problem: Problem, settings: Settings, shard_index: int = 0, n_shards: int = 1) -> int:
    """Count the subsets of every size that one shard searches; the only shard of 1 is the whole."""
    ranges = (_range(problem, settings, size, shard_index, n_shards) for size in settings.sizes)
    return sum(stop - start for start, stop in ranges)


def _range(problem: Problem, settings: Settings, subset_size: int, shard_index: int, n_shards: int) -> tuple[int, int]:
    """Return the range of one size that belongs to a shard."""
    return shard_range(shard_index, n_shards, candidates(problem, settings, subset_size).n_subsets)


def search_shard(  # noqa: PLR0913  # what to search, which part, and how
    problem: Problem,
    settings: Settings,
    shard_index: int = 0,
    n_shards: int = 1,
    *,
    n_threads: int = 1,
    report: Callable[[int], object] = lambda _: None,
) -> Shard:
    """Search one shard's share of every size; the only shard of 1 is the whole.

    Parameters
    ----------
    problem : Problem
    settings : Settings
        Without a beam.
    shard_index, n_shards : int
    n_threads : int
    report : callable
        Called with the number of subsets done since its last call.
    """
    settings.check(problem)
    found = tuple(
        find(
            problem,
            settings,
            size,
            *_range(problem, settings, size, shard_index, n_shards),
            n_threads=n_threads,
            report=report,
        )
        for size in settings.sizes
    )
    return Shard(shard_index, n_shards, problem_hash(problem), settings, __version__, found)


def write_shard(shard: Shard, folder: Path) -> Path:
    """Write a shard into a folder under its own name, and return its path; a former one of the same search is replaced.

    Raises
    ------
    IncompleteSearchError
        If a sound shard of another search has that name there: hours of work are not overwritten.
    """
    path = folder / f"{shard.name}.npz"
    _refuse_other(path, shard)
    head = {name: value for name, value in vars(shard).items() if name not in {"settings", "found"}}
    arrays: dict[str, Any] = {"head": np.array(json.dumps({**head, "settings": asdict(shard.settings)}))}
    for part in shard.found:
        counts = np.array([part.start, part.stop, part.n_unsearchable, part.n_recomputed], dtype=np.int64)
        bins = np.flatnonzero(part.histogram)  # few of thousands
        values = {"counts": counts, "ranks": part.ranks, "errors": part.errors, "bins": bins, "in_bin": part.histogram[bins]}
        values["front"] = part.front_ranks
        arrays |= {f"{name}_{part.subset_size}": value for name, value in values.items()}
    return write_arrays(path, arrays)


def _refuse_other(path: Path, shard: Shard) -> None:
    """Refuse to replace a shard of another search; one that cannot be read is replaced."""
    try:
        former = read_shard(path)
    except IncompleteSearchError:
        return
    if former.search != shard.search:
        raise IncompleteSearchError(f"'{path}' is a shard of another search. Give another --out, or delete that folder.")


def stored_shards(folder: Path, problem: Problem, settings: Settings, shard_indices: Iterable[int], n_shards: int) -> list[int]:
    """Return those of some shards that need no more searching: stored, sound and of this very search.

    Parameters
    ----------
    folder : Path
        Where `write_shard` puts them.
    problem : Problem
    settings : Settings
    shard_indices : iterable of int
    n_shards : int
        Shards of any other number have other names, and are not looked at.

    Returns
    -------
    list of int
        Without those that are damaged or were renamed: `write_shard` replaces them.

    Raises
    ------
    IncompleteSearchError
        If one of their names is taken by a sound shard of another search; with all such.
    """
    wanted = (problem_hash(problem), settings, __version__)
    stored, strangers = [], []
    for index in shard_indices:
        name = shard_name(index, n_shards)
        try:
            shard = read_shard(folder / f"{name}.npz")
        except IncompleteSearchError:
            continue
        if shard.search != wanted:
            strangers.append(name)
        elif shard.name == name:
            stored.append(index)
    if strangers:
        raise IncompleteSearchError(
            f"'{folder}' holds shards of another search, on another dataset, with other settings or by another version of rlhpc: "
            f"{spell_names(strangers)}. Give another --out, or delete that folder."
        )
    return stored


def read_shard(path: Path) -> Shard:
    """Read what `write_shard` wrote.

    Raises
    ------
    IncompleteSearchError
        If the file cannot be read.
    """
    with reading(path, f"the shard '{path}'", "Delete it and search that shard again.") as (head, arrays):
        settings = Settings(**head.pop("settings"))
        return Shard(**head, settings=settings, found=tuple(_read_found(arrays, size) for size in settings.sizes))


def _read_found(arrays: Mapping[str, NDArray[Any]], subset_size: int) -> Found:
    """Read what was found of one size."""
    start, stop, n_unsearchable, n_recomputed = arrays[f"counts_{subset_size}"].tolist()
    names = ("ranks", "errors", "bins", "in_bin", "front")
    ranks, errors, bins, in_bin, front = (arrays[f"{name}_{subset_size}"] for name in names)
    histogram = np.zeros(N_BINS, dtype=np.int64)
    histogram[bins] = in_bin
    return Found(subset_size, start, stop, n_unsearchable, n_recomputed, ranks, errors, histogram, front)
