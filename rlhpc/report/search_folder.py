"""The folder of a search: where its files lie, and a finished one read back, checked against its own hashes."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlhpc import __version__
from rlhpc.errors import InputError
from rlhpc.files import digest, file_digest
from rlhpc.results.table import read_csv
from rlhpc.search.problem import Problem, load
from rlhpc.search.settings import Settings
from rlhpc.search.trust import BEST, NESTED, Choice

SEPARATOR = "; "  # between the names of a subset
CHECKSUM = "sha256"  # key of search.json, of everything else in it


@dataclass(frozen=True)
class SearchFolder:
    """Where the files of one search lie.

    Attributes
    ----------
    root : Path
    """

    root: Path

    @property
    def shards(self) -> Path:
        """The folder that holds one file a shard."""
        return self.root / "shards"

    @property
    def slurm(self) -> Path:
        """The folder of what jobs on a cluster print."""
        return self.root / "slurm"

    @property
    def ranking(self) -> Path:
        """The best subsets of the largest size."""
        return self.root / "ranking.csv"

    @property
    def front(self) -> Path:
        """The cost front, where costs are known."""
        return self.root / "front.csv"

    @property
    def sizes(self) -> Path:
        """The nested and the true best subset of every size."""
        return self.root / "sizes.csv"

    @property
    def problem(self) -> Path:
        """What was regressed."""
        return self.root / "problem.npz"

    @property
    def search(self) -> Path:
        """What was searched, by which rules, and hashes of all other files; written last."""
        return self.root / "search.json"

    @property
    def redone(self) -> Path:
        """What searches on changed tables found; trust figures are made of it."""
        return self.root / "redone.npz"

    @property
    def redone_shards(self) -> Path:
        """The folder that holds one file a shard of the same."""
        return self.root / "redone"

    @property
    def predictor(self) -> Path:
        """The fitted subset, for others to predict with."""
        return self.root / "subset.json"

    @property
    def trust(self) -> Path:
        """How far to trust the best subset."""
        return self.root / "trust.json"

    @property
    def page(self) -> Path:
        """The report."""
        return self.root / "report.html"


@dataclass(frozen=True)
class Claimed:
    """A subset and what the search claims for it.

    Attributes
    ----------
    subset : tuple of str
    cv_mse, r2, relative_error : float
        The last two in-sample, the relative error in percent; NaN where undefined.
    n_algos : int
        Algorithms with every score of the subset.
    """

    subset: tuple[str, ...]
    cv_mse: float
    r2: float
    relative_error: float
    n_algos: int


@dataclass(frozen=True, eq=False)
class FoundSearch:
    """A finished search.

    Attributes
    ----------
    head : mapping
        search.json, without its checksum.
    settings : Settings
    benchmarks : tuple of str
        As in `rlhpc.report.search_input.SearchInput`.
    problem : Problem
    ranking : tuple of Claimed
        The best first; at least one.
    sizes : tuple of mapping of {"best", "nested"} to Claimed
        The largest size first.
    """

    head: Mapping[str, Any]
    settings: Settings
    benchmarks: tuple[str, ...]
    problem: Problem
    ranking: tuple[Claimed, ...]
    sizes: tuple[Mapping[Choice, Claimed], ...]

    @property
    def subset(self) -> tuple[int, ...]:
        """Columns of the chosen subset, the first of the ranking."""
        return self.columns(self.ranking[0].subset)

    def columns(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the columns of environments."""
        return tuple(self.problem.env_ids.index(name) for name in names)


def read_search(folder: SearchFolder) -> FoundSearch:
    """Read what `rlhpc.report.search_writer.write_search` wrote.

    Raises
    ------
    InputError
        If the search is not there, not finished, or its files do not belong together.
    """
    head = _read_head(folder)
    try:
        settings = _settings(folder, head)
        faults = list(_changed(folder, head["files"]))
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    if faults:
        raise InputError(*faults)
    try:
        sizes: tuple[Mapping[Choice, Claimed], ...] = tuple(
            {BEST: _read_claimed(size[BEST]), NESTED: _read_claimed(size[NESTED])} for size in head["sizes"]
        )
        benchmarks = tuple(map(str, head["benchmarks"]))
        return FoundSearch(head, settings, benchmarks, load(folder.problem), _read_ranking(folder.ranking), sizes)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def _read_head(folder: SearchFolder) -> dict[str, Any]:
    """Read search.json, and check it against its own checksum: what verifies is what a search wrote."""
    if not folder.search.is_file():
        raise _unfinished(folder)
    try:
        head = dict(json.loads(folder.search.read_text(encoding="utf-8")))
        intact = head.pop(CHECKSUM, None) == digest(head)
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    if not intact:
        raise _damaged(folder, f"{folder.search.name} was edited or cut, or is of an older rlhpc: its checksum does not match")
    return head


def _settings(folder: SearchFolder, head: Mapping[str, Any]) -> Settings:
    """Return the settings of a search; refuse those of another version that this one does not know, or does not allow."""
    version, remedy = head.get("version", "unknown"), f"this is {__version__}. Search again: {_command(folder)}"
    if unknown := [field.name for field in fields(Settings) if field.name not in head]:
        raise InputError(f"the search in '{folder.root}' is of rlhpc {version}, which had no {', '.join(unknown)}; {remedy}")
    try:
        return Settings(**{field.name: head[field.name] for field in fields(Settings)})
    except InputError as error:
        raise InputError(f"the search in '{folder.root}' is of rlhpc {version} ({error}); {remedy}") from error


def _changed(folder: SearchFolder, digests: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that are not those which the search wrote."""
    for name, told in digests.items():
        path = folder.root / name
        if not path.is_file():
            yield f"'{path}' is missing. Search again."
        elif file_digest(path) != told:
            yield (
                f"'{path}' is not the file that {folder.search.name} describes: it was edited, or is of another search. "
                "Search again."
            )


def _read_ranking(path: Path) -> tuple[Claimed, ...]:
    """Read ranking.csv."""
    table = read_csv(path)
    rows = tuple(
        Claimed(
            subset=tuple(table.text(row, "subset").split(SEPARATOR)),
            cv_mse=table.number(row, "cv_mse"),
            r2=table.number(row, "r2"),
            relative_error=table.number(row, "relative_error"),
            n_algos=table.integer(row, "n_algos"),
        )
        for row in table.rows
    )
    table.check()
    return rows


def _read_claimed(stored: Mapping[str, Any]) -> Claimed:
    """Read one subset of search.json, where null stands for an undefined figure."""
    r2, relative_error = (math.nan if stored[key] is None else float(stored[key]) for key in ("r2", "relative_error"))
    return Claimed(tuple(stored["subset"]), float(stored["cv_mse"]), r2, relative_error, int(stored["n_algos"]))


def _unfinished(folder: SearchFolder) -> InputError:
    """Say why there is no search in a folder, and what to do."""
    if any(folder.shards.glob("*.npz")):
        return InputError(
            f"'{folder.root}' holds shards that are not merged yet. Wait for their merge, if it is submitted (squeue --me), or"
            f" merge them: {_command(folder)} --merge"
        )
    if folder.root.is_file():
        what, above = f"'{folder.root}' is a file, and the folder of a search is wanted", SearchFolder(folder.root.parent)
        if folder.root.suffix != ".csv" and above.search.is_file():
            return InputError(f"{what}. Did you mean '{above.root}'?")
        return InputError(
            f"{what}. If it is a table, search it first: python"
            f" jobs/subset_search.py {shlex.quote(str(folder.root))} --subset-size K --out DIR; then give DIR."
        )
    what = f"it has no {folder.search.name}" if folder.root.is_dir() else "there is no such folder"
    return InputError(f"there is no finished search in '{folder.root}': {what}. Search first: {_command(folder)}")


def _damaged(folder: SearchFolder, reason: str) -> InputError:
    return InputError(f"the search in '{folder.root}' is damaged ({reason}). Search again: {_command(folder)}")


def _command(folder: SearchFolder) -> str:
    return f"python jobs/subset_search.py DATASET --subset-size K --out {shlex.quote(str(folder.root))}"
