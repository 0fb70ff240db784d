"""One shard of a search: the best subsets of every size within its ranges of ranks."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc import __version__
from rlhpc.errors import IncompleteSearchError, InputError
from rlhpc.files import atomic_write
from rlhpc.search.combinations import shard_range, unrank
from rlhpc.search.kernel import cv_mse
from rlhpc.search.problem import Problem, problem_hash
from rlhpc.search.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_SUBSETS = 8_192  # between two reports of progress

MAX_NAMED = 20  # names of shards that an error spells out

DIGITS = 12  # of an error
EXACT = 1e-24  # an error below is zero: predictions are off by the rounding of numbers around 1
LEAST_POWER = -25
SCALES = np.array([float(f"1e{DIGITS - 1 - power}") for power in range(LEAST_POWER, 309)])  # exact decimals, by power of ten


@dataclass(frozen=True, eq=False)
class Best:
    """The best subsets of one size within a range of lexicographic ranks.

    Attributes
    ----------
    subset_size : int
    start, stop : int
        The half-open range searched.
    n_unsearchable : int
        Subsets in it with no more complete rows than parameters.
    ranks : array of shape (n,)
        Ordered by error, ties by rank; at most ``Settings.keep`` of them.
    cv_mse : array of shape (n,)
    """

    subset_size: int
    start: int
    stop: int
    n_unsearchable: int
    ranks: Ints
    cv_mse: Floats


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
    best : tuple of Best
        One for each size, from ``settings.subset_size`` down to 1.
    """

    shard_index: int
    n_shards: int
    problem_hash: str
    settings: Settings
    version: str
    best: tuple[Best, ...]

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


def n_shard_subsets(shard_index: int, n_shards: int, n_envs: int, subset_size: int) -> int:
    """Count the subsets of every size up to `subset_size` that one shard searches."""
    ranges = (shard_range(shard_index, n_shards, comb(n_envs, size)) for size in range(1, subset_size + 1))
    return sum(stop - start for start, stop in ranges)


def search_shard(
    problem: Problem,
    settings: Settings,
    shard_index: int = 0,
    n_shards: int = 1,
    advance: Callable[[int], object] = lambda _: None,
) -> Shard:
    """Search one shard's share of every size; the only shard of 1 is the whole.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    shard_index, n_shards : int
    advance : callable
        Called with the number of subsets done since its last call.
    """
    settings.check(*problem.X.shape)
    n_envs = problem.X.shape[1]
    best = tuple(
        _search_range(problem, settings, size, range(*shard_range(shard_index, n_shards, comb(n_envs, size))), advance)
        for size in range(settings.subset_size, 0, -1)
    )
    return Shard(shard_index, n_shards, problem_hash(problem), settings, __version__, best)


def _search_range(problem: Problem, settings: Settings, subset_size: int, ranks: range, advance: Callable[[int], object]) -> Best:
    """Search a range of ranks in blocks, so that memory does not grow with it."""
    best = Best(subset_size, ranks.start, ranks.start, 0, np.empty(0, dtype=np.int64), np.empty(0))
    for start in range(ranks.start, ranks.stop, BLOCK_SUBSETS):
        block = np.arange(start, min(start + BLOCK_SUBSETS, ranks.stop))
        errors = subset_errors(problem, settings, unrank(block, problem.X.shape[1], subset_size))
        found = np.isfinite(errors)
        n_unsearchable = int(np.count_nonzero(~found))
        searched = Best(subset_size, start, start + len(block), n_unsearchable, block[found], errors[found])
        best = join([best, searched], settings.keep)
        advance(len(block))
    return best


def subset_errors(problem: Problem, settings: Settings, subsets: Ints) -> Floats:
    """Compute the CV error of subsets of a problem, by the rules of a search; see `rlhpc.search.kernel.cv_mse`.

    Subsets that are equal, such as those of duplicated environments, differ in the last bits of their errors by rounding noise.
    These bits are cut off, so that they tie.
    """
    errors = cv_mse(
        problem.X,
        problem.y,
        subsets,
        n_folds=settings.n_folds,
        fold_seed=settings.fold_seed,
        fit_intercept=settings.fit_intercept,
    )
    return _cut(errors)


def _cut(errors: Floats) -> Floats:
    """Round errors to `DIGITS` significant digits, and those below `EXACT` to 0; infinite ones stay."""
    cut = np.where(errors < EXACT, 0.0, errors)
    there = np.isfinite(cut) & (cut > 0)
    scales = SCALES[np.floor(np.log10(cut[there])).astype(np.int64) - LEAST_POWER]
    cut[there] = np.round(cut[there] * scales) / scales
    return cut


def join(parts: list[Best], keep: int) -> Best:
    """Join the best of adjoining ranges of one size: the best `keep` of all of them.

    Parameters
    ----------
    parts : list of Best
        In the order of their ranges.
    keep : int
    """
    ranks, errors = np.concatenate([part.ranks for part in parts]), np.concatenate([part.cv_mse for part in parts])
    order = np.argsort(errors, kind="stable")[:keep]  # equals are in the order of ranks already
    n_unsearchable = sum(part.n_unsearchable for part in parts)
    return Best(parts[0].subset_size, parts[0].start, parts[-1].stop, n_unsearchable, ranks[order], errors[order])


def write_shard(shard: Shard, folder: Path) -> Path:
    """Write a shard into a folder under its own name, and return its path; a former one of the same search is replaced.

    Raises
    ------
    IncompleteSearchError
        If a sound shard of another search has that name there: hours of work are not overwritten.
    """
    path = folder / f"{shard.name}.npz"
    _refuse_other(path, shard)
    head = {name: value for name, value in asdict(shard).items() if name != "best"}
    arrays: dict[str, Any] = {"head": np.array(json.dumps(head))}
    for part in shard.best:
        arrays[f"ranks_{part.subset_size}"], arrays[f"cv_mse_{part.subset_size}"] = part.ranks, part.cv_mse
        arrays[f"range_{part.subset_size}"] = np.array([part.start, part.stop, part.n_unsearchable], dtype=np.int64)
    with atomic_write(path) as stream:
        np.savez(stream, **arrays)
    return path


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
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            head = json.loads(str(arrays["head"]))
            settings = Settings(**head.pop("settings"))
            best = tuple(_read_best(arrays, size) for size in range(settings.subset_size, 0, -1))
        return Shard(**head, settings=settings, best=best)
    # RuntimeError: a flipped bit of an archive can also look like encryption or an unknown compression.
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, InputError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"the shard '{path}' cannot be read ({reason}). Delete it and search that shard again."
        raise IncompleteSearchError(message) from error


def _read_best(arrays: Mapping[str, NDArray[Any]], subset_size: int) -> Best:
    """Read the best of one size."""
    start, stop, n_unsearchable = arrays[f"range_{subset_size}"].tolist()
    return Best(subset_size, start, stop, n_unsearchable, arrays[f"ranks_{subset_size}"], arrays[f"cv_mse_{subset_size}"])
