"""Files of redone searches: all of a table, or one shard's share of them, and what they must have in common to be joined."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc import __version__
from rlhpc.errors import IncompleteSearchError
from rlhpc.files import digest
from rlhpc.search.arrays import reading, write_arrays
from rlhpc.search.combinations import shard_range
from rlhpc.search.problem import problem_hash, without_costs
from rlhpc.search.settings import Settings
from rlhpc.search.shard import shard_name, spell_names
from rlhpc.search.trust.plan import Plan
from rlhpc.search.trust.redone import BEST, NESTED, Chosen, Redone
from rlhpc.search.trust.replicates import Given, Kind, Replicate

KINDS, CHOICES = tuple(Kind), (BEST, NESTED)  # by their codes in a file


@dataclass(frozen=True)
class Origin:
    """What searches were redone on; what shards must share, and a report must find.

    Attributes
    ----------
    problem_hash, seeds_hash : str
        Of the table, and of the scores of single seeds; blank without those.
    settings : Settings
    plan : Plan
    version : str
        Of rlhpc.
    n_replicates : int
        All there are.
    """

    problem_hash: str
    seeds_hash: str
    settings: Settings
    plan: Plan
    version: str
    n_replicates: int


@dataclass(frozen=True, eq=False)
class RedoneFile:
    """What one file holds.

    Attributes
    ----------
    origin : Origin
    start : int
        The place of the first replicate among all.
    redone : tuple of Redone
    """

    origin: Origin
    start: int
    redone: tuple[Redone, ...]


@functools.lru_cache(maxsize=4)  # by identity: asked for again and again of the same table
def origin_of(given: Given) -> Origin:
    """Return what these searches are redone on."""
    seeds = "" if given.seed_scores is None else digest(np.nan_to_num(given.seed_scores, nan=-1e308).tolist())
    n_replicates = len(given.replicates)
    return Origin(problem_hash(without_costs(given.problem)), seeds, given.settings, given.plan, __version__, n_replicates)


def share(given: Given, shard_index: int = 0, n_shards: int = 1) -> tuple[int, tuple[Replicate, ...]]:
    """Return one shard's share of the replicates: the place of the first, and them; the only shard of 1 has all."""
    replicates = given.replicates
    start, stop = shard_range(shard_index, n_shards, len(replicates))
    return start, replicates[start:stop]


def write_redone(path: Path, given: Given, start: int, redone: Sequence[Redone]) -> Path:
    """Write what was found of the replicates from place `start` on; the same gives the same bytes."""
    rows = [(one, chosen) for one in redone for chosen in one.chosen]
    subsets = np.full((len(rows), given.settings.subset_size), -1, dtype=np.int64)
    for place, (_, chosen) in enumerate(rows):
        subsets[place, : len(chosen.subset)] = chosen.subset
    head = {**asdict(origin_of(given)), "start": start}
    arrays = {
        "head": np.array(json.dumps(head)),
        "kinds": np.array([KINDS.index(one.replicate.kind) for one in redone], dtype=np.int64),
        "indices": np.array([one.replicate.index for one in redone], dtype=np.int64),
        "guesses": np.array([one.guess for one in redone], dtype=np.float64),
        "n_chosen": np.array([len(one.chosen) for one in redone], dtype=np.int64),
        "choices": np.array([CHOICES.index(chosen.choice) for _, chosen in rows], dtype=np.int64),
        "sizes": np.array([chosen.subset_size for _, chosen in rows], dtype=np.int64),
        "errors": np.array([chosen.cv_mse for _, chosen in rows], dtype=np.float64),
        "subsets": subsets,
    }
    return write_arrays(path, arrays)


def read_redone(path: Path) -> RedoneFile:
    """Read what `write_redone` wrote.

    Raises
    ------
    IncompleteSearchError
        If the file cannot be read.
    """
    with reading(path, f"the redone searches in '{path}'", "Delete that file and redo them.") as (head, arrays):
        start, settings, plan = head.pop("start"), Settings(**head.pop("settings")), Plan(**head.pop("plan"))
        return RedoneFile(Origin(settings=settings, plan=plan, **head), int(start), _read(arrays))


def _read(arrays: Mapping[str, NDArray[Any]]) -> tuple[Redone, ...]:
    columns = (arrays[name].tolist() for name in ("choices", "sizes", "errors", "subsets"))
    chosen = [
        Chosen(CHOICES[choice], size, tuple(column for column in subset if column >= 0), error)
        for choice, size, error, subset in zip(*columns, strict=True)
    ]
    redone, place = [], 0
    heads = (arrays[name].tolist() for name in ("kinds", "indices", "guesses", "n_chosen"))
    for kind, index, guess, n_chosen in zip(*heads, strict=True):
        redone.append(Redone(Replicate(KINDS[kind], index), guess, tuple(chosen[place : place + n_chosen])))
        place += n_chosen
    return tuple(redone)


def read_shares(folder: Path, given: Given, n_shards: int) -> tuple[Redone, ...]:
    """Read and join every shard's share of the replicates.

    Raises
    ------
    IncompleteSearchError
        With every share that is missing, cannot be read, or is of another table, other rules or another version.
    """
    missing = [shard_name(index, n_shards) for index in range(n_shards) if not _path(folder, index, n_shards).is_file()]
    faults = [f"redone searches are missing: {spell_names(missing)}. Redo them with --trust --shard I/N."] if missing else []
    shares = []
    for index in range(n_shards):
        if shard_name(index, n_shards) not in missing:
            try:
                shares.append(_read_share(folder, given, index, n_shards))
            except IncompleteSearchError as error:
                faults.append(str(error))
    if faults:
        raise IncompleteSearchError("\n".join(faults))
    return tuple(one for part in shares for one in part.redone)


def write_share(folder: Path, given: Given, shard_index: int, n_shards: int, redone: Sequence[Redone]) -> Path:
    """Write one shard's share under its name; a former one is replaced, so ask `stored_shares` first."""
    start, _ = share(given, shard_index, n_shards)
    return write_redone(_path(folder, shard_index, n_shards), given, start, redone)


def stored_shares(folder: Path, given: Given, shard_indices: Iterable[int], n_shards: int) -> list[int]:
    """Return those of some shards whose share of the replicates is stored, sound and of these very searches.

    Raises
    ------
    IncompleteSearchError
        If one of their names is taken by a sound share of other searches; with all such: hours of work are not overwritten.
    """
    stored, strangers, ours = [], [], origin_of(given)
    for index in shard_indices:
        try:
            found = read_redone(_path(folder, index, n_shards))
        except IncompleteSearchError:
            continue
        if found.origin != ours:
            strangers.append(f"{shard_name(index, n_shards)} ({difference(found.origin, ours)})")
        elif _is_share(found, given, index, n_shards):
            stored.append(index)
    if strangers:
        named = spell_names(strangers)
        raise IncompleteSearchError(
            f"'{folder}' holds redone searches of something else: {named}. Give another --out, or delete that folder."
        )
    return stored


def _path(folder: Path, shard_index: int, n_shards: int) -> Path:
    return folder / f"{shard_name(shard_index, n_shards)}.npz"


def _read_share(folder: Path, given: Given, shard_index: int, n_shards: int) -> RedoneFile:
    """Read one shard's share; refuse one of anything else."""
    path = _path(folder, shard_index, n_shards)
    found = read_redone(path)
    if found.origin != origin_of(given):
        raise IncompleteSearchError(f"'{path}' is of {difference(found.origin, origin_of(given))}. Delete it and redo it.")
    if not _is_share(found, given, shard_index, n_shards):
        raise IncompleteSearchError(f"'{path}' holds another shard's share: it was renamed. Delete it and redo it.")
    return found


def _is_share(found: RedoneFile, given: Given, shard_index: int, n_shards: int) -> bool:
    """Tell whether a file holds the very share of a shard; it does not if it was renamed."""
    start, replicates = share(given, shard_index, n_shards)
    return found.start == start and tuple(one.replicate for one in found.redone) == replicates


def difference(theirs: Origin, ours: Origin) -> str:
    """Say in what two origins differ, in a few words."""
    if theirs.version != ours.version:
        return f"rlhpc {theirs.version}, not {ours.version}"
    if theirs.problem_hash != ours.problem_hash:
        return f"another table (hash {theirs.problem_hash[:12]}, not {ours.problem_hash[:12]})"
    if theirs.seeds_hash != ours.seeds_hash:
        return "other scores of single seeds"
    changed = [
        f"{name} {was}, not {wanted}"
        for pair in ((theirs.settings, ours.settings), (theirs.plan, ours.plan))
        for name, was in asdict(pair[0]).items()
        if was != (wanted := asdict(pair[1])[name])
    ]
    return f"other rules ({', '.join(changed)})" if changed else "another number of replicates"
