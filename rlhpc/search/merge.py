"""The merge of shards into the search they are shards of; refuses gaps, overlaps and shards of anything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rlhpc import __version__
from rlhpc.errors import IncompleteSearchError
from rlhpc.search.best import Best, polish
from rlhpc.search.problem import Problem, problem_hash
from rlhpc.search.settings import Settings
from rlhpc.search.shard import Shard, read_shard, shard_name, spell_names


def read_shards(folder: Path, n_shards: int | None = None) -> list[Shard]:
    """Read every shard in a folder, in the order of names.

    Parameters
    ----------
    folder : Path
    n_shards : int, optional
        Read only shards of a search in so many.

    Raises
    ------
    IncompleteSearchError
        If there is none, or with every one that cannot be read or does not belong to its name.
    """
    shards, faults = [], []
    for path in sorted(folder.glob("*.npz" if n_shards is None else f"*-of-{n_shards:04d}.npz")):
        try:
            shard = read_shard(path)
        except IncompleteSearchError as error:
            faults.append(str(error))
            continue
        if shard.name != path.stem:
            faults.append(f"'{path}' holds the shard {shard.name}: it was renamed. Name it back, or delete it.")
        shards.append(shard)
    if not shards and not faults:
        which = "" if n_shards is None else f" of a search in {n_shards} shards"
        faults.append(f"there is no shard{which} in '{folder}'. Search shards first, with --shard 0/N to --shard N-1/N.")
    if faults:
        raise IncompleteSearchError("\n".join(faults))
    return shards


def merge(problem: Problem, settings: Settings, shards: Sequence[Shard], *, n_threads: int = 1) -> tuple[Best, ...]:
    """Merge shards into the best of the whole.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    shards : sequence of Shard
    n_threads : int

    Returns
    -------
    tuple of Best
        One for each of ``settings.sizes``, over all of its ranks.

    Raises
    ------
    IncompleteSearchError
        With every shard that is missing, is there twice, is of another division, or belongs to another input, other settings
        or another version.
    """
    shards = sorted(shards, key=lambda shard: (shard.n_shards, shard.shard_index))
    faults = [*_strangers(problem, settings, shards)] or [*_holes(shards)]
    if faults:
        raise IncompleteSearchError("\n".join(faults))
    parts_of_sizes = zip(*(shard.found for shard in shards), strict=True)
    return tuple(polish(problem, settings, parts, n_threads=n_threads) for parts in parts_of_sizes)


def _strangers(problem: Problem, settings: Settings, shards: Sequence[Shard]) -> Iterator[str]:
    """Say which shards belong to another search."""
    wanted_hash, remedy = problem_hash(problem), "Delete that shard, or merge with what it was searched with."
    for shard in shards:
        if shard.problem_hash != wanted_hash:
            hashes = f"hash {shard.problem_hash[:12]}, not {wanted_hash[:12]}"
            yield f"shard {shard.name} was searched on another dataset ({hashes}). {remedy}"
        if shard.settings != settings:
            ours, theirs = asdict(settings), asdict(shard.settings)
            changed = ", ".join(f"{name} {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name])
            yield f"shard {shard.name} was searched with other settings ({changed}). {remedy}"
        if shard.version != __version__:
            yield f"shard {shard.name} was searched by rlhpc {shard.version}, not {__version__}. Delete it and search it again."


def _holes(shards: Sequence[Shard]) -> Iterator[str]:
    """Say what keeps shards from being all of one division: several divisions, shards that are there twice or missing."""
    divisions = sorted({shard.n_shards for shard in shards})
    if len(divisions) > 1:
        numbers = " and ".join(map(str, divisions))
        yield f"there are shards of searches in {numbers} shards: delete all but those of one division."
        return
    (n_shards,), counts = divisions, Counter(shard.shard_index for shard in shards)
    repeated = [shard_name(index, n_shards) for index, count in sorted(counts.items()) if count > 1]
    if repeated:
        yield f"shards are there twice: {', '.join(repeated)}. Give each once."
    missing = [shard_name(index, n_shards) for index in range(n_shards) if index not in counts]
    if missing:
        yield f"shards are missing: {spell_names(missing)}. Search them with --shard I/N, then merge."
