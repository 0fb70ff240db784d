"""The proof that every training of a grid is recorded exactly once; writes nothing, so that it holds of a read-only folder."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhpc.errors import DamagedResultError
from rlhpc.files import is_set_aside, is_temporary
from rlhpc.records import Training
from rlhpc.results.store import DEPTH, RESULT, Store, read_result
from rlhpc.results.unfinished import RecordState, how_far
from rlhpc.results.wrong_folder import refuse_other_folders
from rlhpc.words import count


@dataclass(frozen=True)
class Record:
    """What is recorded of one training of the grid.

    Attributes
    ----------
    name : str
    state : RecordState
    reason : str
        Why it is in this state; blank for a stored one.
    path : Path
        Its folder, also where there is none yet.
    """

    name: str
    state: RecordState
    reason: str
    path: Path


@dataclass(frozen=True)
class Strange:
    """A file or folder below trainings/ that the grid does not account for.

    Attributes
    ----------
    path : Path
    reason : str
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class Audit:
    """Everything that was found in one folder of results.

    Attributes
    ----------
    records : tuple of Record
        One a training of grid.json, in its order; without a sound grid.json, one a training that has a folder.
    grid_fault : str
        Why grid.json proves nothing; blank if it is sound.
    strange : tuple of Strange
        In the order of paths.
    repeated : mapping of str to tuple of Path
        Training -> the results that are all its own; each but the one in its own folder is also damaged or strange.
    n_temporary : int
        Files that killed writers left behind; they are no fault.
    n_set_aside : int
        Damaged files that a launch kept under another name; they are no fault.
    """

    records: tuple[Record, ...]
    grid_fault: str
    strange: tuple[Strange, ...]
    repeated: Mapping[str, tuple[Path, ...]]
    n_temporary: int
    n_set_aside: int

    @property
    def counts(self) -> dict[RecordState, int]:
        """Number of trainings in each state, also where it is 0."""
        found = Counter(record.state for record in self.records)
        return {state: found[state] for state in RecordState}

    @property
    def in_order(self) -> bool:
        """Whether every training of the grid is recorded exactly once, and there is nothing else."""
        return not self.grid_fault and self.counts[RecordState.STORED] == len(self.records) and not self.strange

    @property
    def verdict(self) -> str:
        """The result of the audit, and what to do, in one sentence."""
        n, counts = len(self.records), self.counts
        if self.in_order:
            return f"In order: all {n} trainings are recorded exactly once."
        unrecorded = n - counts[RecordState.STORED]
        found = {
            "without a sound grid.json nothing is known of trainings that never began": bool(self.grid_fault),
            f"{unrecorded} of {count(n, 'training')} {'is' if unrecorded == 1 else 'are'} not recorded": bool(unrecorded),
            f"{count(len(self.repeated), 'training')} recorded more than once": bool(self.repeated),
            f"{count(len(self.strange), 'path')} not of the grid": bool(self.strange),
        }
        remedies = {
            "launch again with the same configuration, which writes grid.json anew": bool(self.grid_fault),
            "launch again to train what is missing": not self.grid_fault and unrecorded > counts[RecordState.RUNNING],
            "audit again when what is running has ended (if nothing is, launch again)": bool(counts[RecordState.RUNNING]),
            "move away what is not of the grid": bool(self.strange),
        }
        said, to_do = ([words for words, holds in each.items() if holds] for each in (found, remedies))
        return f"Not in order: {', '.join(said)}; {', '.join(to_do)}."


def audit(store: Store) -> Audit:
    """Look up every training that was ever launched into a store, and everything else that lies beside them.

    Raises
    ------
    InputError
        If the store's folder is no folder of results.
    """
    refuse_other_folders(store.root)
    trainings, grid_fault = launched(store)
    records = tuple(_look_up(store, training) for training in trainings)
    rest = _Rest(store, records)
    rest.visit(store.trainings)
    repeated = {name: tuple(paths) for name, paths in sorted(rest.places.items()) if len(paths) > 1}
    return Audit(records, grid_fault, tuple(rest.strange), repeated, rest.n_temporary, rest.n_set_aside)


def launched(store: Store) -> tuple[list[Training], str]:
    """Return the trainings that were ever launched, as far as their names say, and what is wrong with grid.json.

    Without a sound grid.json they are those that have a folder.
    """
    fault = _fault_of_grid(store.grid)
    names = map(store.name_of, store.folders()) if fault else store.read_grid()
    return [training for training in map(_training, names) if training is not None], fault


def _fault_of_grid(path: Path) -> str:
    """Say why grid.json proves nothing; blank if it is sound."""
    remedy = "launch again with the same configuration, which writes it anew (with each, if several were launched here)."
    try:
        names = json.loads(path.read_text())
    except FileNotFoundError:
        return f"'{path}' is missing: {remedy}"
    except (OSError, ValueError) as error:
        return f"'{path}' cannot be read: {type(error).__name__}: {error}. Delete it and {remedy}"
    if not isinstance(names, list) or not names:
        return f"'{path}' holds no list of trainings. Delete it and {remedy}"
    wrong = [name for name in names if not isinstance(name, str) or _training(name) is None]
    repeated = [name for name, n in Counter(map(str, names)).items() if n > 1]
    if wrong or repeated:
        what = f"{wrong[0]!r}, which is no training's name" if wrong else f"'{repeated[0]}' more than once"
        return f"'{path}' was edited: it holds {what}. Delete it and {remedy}"
    return ""


def _training(name: str) -> Training | None:
    """Return a training as far as its name says, which is all that its folder needs; None if it is no training's name."""
    try:
        benchmark, *env, algo, seed = name.split("/")
        training = Training(benchmark, "/".join(env), algo, int(seed), action_space="", total_timesteps=0)
    except ValueError:
        return None
    if "+" in training.env_id or {"", ".", ".."} & {benchmark, *env, algo} or not name.isprintable():
        return None  # its folder would be another training's, or lie elsewhere, or be none
    return training if training.name == name else None


def _look_up(store: Store, training: Training) -> Record:
    """Look up what is recorded of one training."""
    folder = store.folder(training)
    try:
        if store.read(training) is not None:
            state, reason = RecordState.STORED, ""
        else:
            state, reason = how_far(folder)
    except DamagedResultError as error:
        state, reason = RecordState.DAMAGED, str(error)
    except FileNotFoundError:
        state, reason = RecordState.NEVER_BEGUN, "it has no folder yet"
    except OSError as error:
        state, reason = RecordState.DAMAGED, _unreadable(folder, error)
    return Record(training.name, state, reason, folder)


def _unreadable(folder: Path, error: OSError) -> str:
    return f"the folder '{folder}' cannot be read: {error.strerror or error}. Mend its permissions, or move away what is there."


class _Rest:
    """What lies below trainings/ beside the records of the grid.

    Parameters
    ----------
    store : Store
    records : sequence of Record
        Those of the grid.
    """

    def __init__(self, store: Store, records: Sequence[Record]) -> None:
        self.strange: list[Strange] = []
        self.places: dict[str, list[Path]] = defaultdict(list)  # training -> verified results of it
        self.n_temporary = 0
        self.n_set_aside = 0
        self._store = store
        self._homes = {record.path for record in records}
        self._leading = {parent for record in records for parent in record.path.parents}
        self._verified = {record.path / RESULT: record.name for record in records if record.state is RecordState.STORED}

    def visit(self, folder: Path, depth: int = 1) -> None:
        """Go through a folder and those in it; `depth` is that of its entries, 1 for a benchmark's folder."""
        try:
            with os.scandir(folder) as scanned:
                # Links may lead to the folder of a training, as where results moved to another disk; never further.
                found = sorted((entry.name, entry.is_dir(follow_symlinks=depth <= DEPTH)) for entry in scanned)
        except FileNotFoundError:
            return  # cleared away since, by a training that goes on
        except OSError as error:
            self.strange.append(Strange(folder, _unreadable(folder, error)))
            return
        if not found and depth <= DEPTH and folder not in self._leading:
            self.strange.append(Strange(folder, "an empty folder that is no training's"))
        for name, is_folder in found:
            self._meet(folder / name, depth, is_folder)

    def _meet(self, path: Path, depth: int, is_folder: bool) -> None:
        if is_temporary(path.name):
            self.n_temporary += 1
        elif is_set_aside(path.name):
            self.n_set_aside += 1
        elif is_folder:
            if depth == DEPTH and path not in self._homes:
                self.strange.append(Strange(path, self._explain(path)))
            self.visit(path, depth + 1)
        else:
            if depth <= DEPTH:
                self.strange.append(Strange(path, "a file that belongs to no training"))
            if path.name == RESULT:
                self._meet_result(path, depth)

    def _explain(self, folder: Path) -> str:
        """Say what a folder is that lies where a training's would."""
        training = _training(Store.name_of(folder))
        if training is None:
            return "a folder that is no training's"
        record = _look_up(self._store, training)
        return f"a training that grid.json does not name: {record.state}{record.reason and f': {record.reason}'}"

    def _meet_result(self, path: Path, depth: int) -> None:
        name = self._verified.get(path)
        if name is None:
            try:
                name = read_result(path).training.name
            except DamagedResultError:  # told by its record, or no result of ours
                return
            if depth > DEPTH + 1:
                self.strange.append(Strange(path, f"the result of '{name}', where no result belongs"))
        self.places[name].append(path)
